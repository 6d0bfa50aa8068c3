"""A search is repeated whole where the build that it began on went away."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.errors import (
    FilterError,
    NotFoundError,
    RequestRefusedError,
    RowNotFoundError,
    ServerError,
    UnavailableError,
)
from lsh_core.retrieval.query import Query
from lsh_core.search import live_index
from lsh_core.search.live_index import AliasMoved, Ask, LiveIndex, Unavailable

OLD, NEW = (SimpleNamespace(index=f"airlsh-docs-{name}", meta=SimpleNamespace(name="docs")) for name in ("old", "new"))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A live index whose alias leads to the builds in turn, each time that it is resolved."""
    index: Any = LiveIndex(Cluster(Connection(("http://127.0.0.1:9",))), "docs", None)
    builds: Iterator[Any] = iter([OLD, NEW])
    monkeypatch.setattr(index, "_resolve", lambda: next(builds))
    monkeypatch.setattr(live_index, "_AWAY_SECONDS", 0.0)
    return index


def test_a_search_is_repeated_whole_on_the_build_that_went_live(live: LiveIndex) -> None:
    seen = []

    def search(build: Any) -> str:
        seen.append(build.index)
        if build is OLD:
            raise Unavailable("gone")
        return f"by {build.index}"

    assert live.run(search) == "by airlsh-docs-new"
    assert seen == ["airlsh-docs-old", "airlsh-docs-new"]


def test_a_search_that_an_alias_overtook_is_repeated_at_once(live: Any) -> None:
    def search(build: Any) -> str:
        if build is OLD:
            live._resolved_at = -live_index.RESOLVE_SECONDS
            raise AliasMoved
        return build.index  # type: ignore[no-any-return]

    assert live.run(search) == "airlsh-docs-new"


def test_an_index_that_stays_away_is_not_waited_for_for_ever(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_resolve", lambda: OLD)
    monkeypatch.setattr(live_index, "_SHARD_SECONDS", 0.05)
    live._wait_seconds = 0.05

    def search(_: Any) -> None:
        raise Unavailable("no shard answers")

    with pytest.raises(UnavailableError, match="no shard answers") as raised:
        live.run(search)
    assert raised.value.waited_seconds == 0.05


def answers(monkeypatch: pytest.MonkeyPatch, *responses: dict[str, Any]) -> None:
    monkeypatch.setattr(Cluster, "run", lambda *_, **__: list(responses))


def failed(kind: str, status: int, reason: str = "why") -> dict[str, Any]:
    return {"error": {"type": kind, "reason": reason}, "status": status}


PLAIN = Ask(Query({}, "lists"))
FILTERED = Ask(Query({}, "lists"), filter={"range": {"day": {"gte": 1, "time_zone": "Mars/X"}}})
GONE = failed("index_not_found_exception", 404)


@pytest.mark.parametrize(
    ("response", "ask", "error"),
    [
        (GONE, PLAIN, Unavailable),
        (failed("unavailable_shards_exception", 503), PLAIN, Unavailable),
        (failed("resource_not_found_exception", 404), Ask(Query({}, "lists"), id="x"), RowNotFoundError),
        (failed("parsing_exception", 400), PLAIN, RequestRefusedError),
        (failed("x", 400, "Unknown time-zone ID: Mars/X"), FILTERED, FilterError),
        (failed("strange", 500), PLAIN, ServerError),
    ],
)
def test_errors_inside_a_response(
    live: Any, monkeypatch: pytest.MonkeyPatch, response: dict[str, Any], ask: Ask, error: type[Exception]
) -> None:
    answers(monkeypatch, response)
    with pytest.raises(error):
        live.send(OLD, [ask])


def test_one_physical_index_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    index = LiveIndex(Cluster(Connection(("http://127.0.0.1:9",))), "docs", "airlsh-docs-old")
    answers(monkeypatch, GONE)
    with pytest.raises(NotFoundError, match="airlsh builds list docs"):
        index.send(OLD, [PLAIN])


def test_each_query_has_its_response(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"_shards": {"total": 1, "successful": 1}, "timed_out": False}
    found = [{**whole, "took": n, "hits": {"hits": [], "total": {"value": n}}} for n in (3, 7)]
    answers(monkeypatch, *found)
    responses = live.send(OLD, [PLAIN] * 2)
    assert [(each.rows, each.took_ms) for each in responses] == [(3, 3), (7, 7)]


def test_a_refused_request_is_laid_to_the_filter_in_it(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RequestRefusedError("POST /_msearch", 400, "Unknown time-zone ID: Mars/X")

    monkeypatch.setattr(Cluster, "run", refuse)
    with pytest.raises(FilterError, match="no time zone of the server"):
        live.send(OLD, [PLAIN, FILTERED])
    with pytest.raises(RequestRefusedError):
        live.send(OLD, [PLAIN])
