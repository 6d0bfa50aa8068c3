"""Which servers are found: those that are named, those of the environment, or the running local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.local import connect as module
from lsh_core.local.connect import connect, find_services
from lsh_core.local.state import StackState

ONE, TWO = "http://127.0.0.1:9", "http://127.0.0.1:10"
STACK = StackState(marker="m", ready=True, elasticsearch=("http://127.0.0.1:11",), dask="tcp://127.0.0.1:12")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRLSH_ES_URL", "AIRLSH_ES_CLOUD_ID", "AIRLSH_ES_API_KEY", "AIRLSH_DASK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "running_stack", lambda: None)


def test_addresses_that_are_named_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "running_stack", lambda: STACK)
    assert connect().urls == STACK.elasticsearch
    monkeypatch.setenv("AIRLSH_ES_URL", TWO)
    assert connect().urls == (TWO,)
    assert connect(ONE).urls == (ONE,)
    assert connect(f"{ONE},{TWO}") == connect([ONE, TWO]) == Connection((ONE, TWO))


def test_without_any_it_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="start one with `airlsh up`"):
        connect()


def test_options_take_the_place_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_ES_API_KEY", "key")
    assert connect(ONE).api_key == "key"
    named = connect(ONE, username="elastic", password="s3cret", request_timeout_seconds=5.0)
    assert (named.api_key, named.username, named.request_timeout_seconds) == (None, "elastic", 5.0)
    assert connect(Connection((ONE,)), http_compress=True) == Connection((ONE,), http_compress=True)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((5,), {}, "urls='int': must be addresses"),
        ((ONE,), {"pasword": "s3cret"}, "is not an option of a connection: there are api_key, username"),
        ((ONE,), {"urls": TWO}, "multiple values"),
        ((ONE,), {"username": "elastic"}, "has no password"),
    ],
)
def test_what_a_connection_cannot_be(arguments: Any, options: Any, said: str) -> None:
    with pytest.raises((ArgumentError, SettingsError, TypeError)) as raised:
        connect(*arguments, **options)
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_dask_of_the_local_stack_goes_with_its_elasticsearch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "running_stack", lambda: STACK)
    assert find_services().dask == STACK.dask
    assert find_services(ONE).dask is None
    assert find_services(ONE, "tcp://127.0.0.1:13").dask == "tcp://127.0.0.1:13"
    monkeypatch.setenv("AIRLSH_DASK", "tcp://127.0.0.1:14")
    assert find_services(ONE).dask == "tcp://127.0.0.1:14"


def test_a_stack_without_elasticsearch_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "running_stack", lambda: StackState(marker="m", dask="tcp://127.0.0.1:12"))
    with pytest.raises(SettingsError, match="no Elasticsearch"):
        find_services()


def test_a_command_without_elasticsearch_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lsh_core.cli.session import services

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="name yours with --es URL"):
        services(None)
    assert services(ONE).connection.urls == (ONE,)
