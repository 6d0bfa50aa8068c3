"""Red indices are warnings: looking for them never fails the command that shows them."""

from __future__ import annotations

import pytest

from lsh_core.cli.stack_commands import _red
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.red_indices import red_indices_if_told
from lsh_core.local.readiness import warn_of_red
from tests.fakes.http_server import ELASTIC, HTML, Canned, canned_server

RED = {"indices": {"lost": {"status": "red", "shards": {"0": {"primary_active": False}}}}}


@pytest.mark.parametrize(
    "answer",
    [
        Canned(200, HTML, b"<html></html>"),
        Canned(401, HTML, b"<html><title>Sign in</title></html>"),
        Canned(502, HTML, b"<html></html>"),
        Canned(503, ELASTIC, {"error": {"type": "master_not_discovered_exception"}, "status": 503}),
    ],
)
def test_a_server_that_does_not_tell_has_none(answer: Canned) -> None:
    with canned_server(lambda _: answer) as (url, _):
        assert red_indices_if_told(Cluster(Connection((url,)))) == ()
        assert _red([url]) == []
        warn_of_red([url])


def test_a_red_index_is_found_although_its_reason_is_not_told() -> None:
    with canned_server(
        lambda request: Canned(200, ELASTIC, RED) if "health" in request.path else Canned(502, HTML, b"")
    ) as (url, _):
        (found,) = red_indices_if_told(Cluster(Connection((url,))))
    assert (found.index, found.reason) == ("lost", "shard 0 has no primary")
    assert found.command == f"curl -X DELETE {url}/lost"
