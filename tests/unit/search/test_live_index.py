"""A search is repeated whole where the build that it began on went away."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import FilterError, NotFoundError, ServerError, UnavailableError
from lsh_core.search import live_index
from lsh_core.search.live_index import AliasMoved, LiveIndex, Unavailable
from lsh_core.search.queries import Query

OLD, NEW = (SimpleNamespace(index=f"airlsh-docs-{name}") for name in ("old", "new"))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A live index whose alias leads to the builds in turn, each time that it is resolved."""
    index: Any = LiveIndex(Connection(("http://127.0.0.1:9",)), "docs", None)
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
    monkeypatch.setattr(live_index, "on_any_node", lambda *_, **__: list(responses))


def failed(kind: str, status: int) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": "why"}, "status": status}


GONE = failed("index_not_found_exception", 404)


@pytest.mark.parametrize(
    ("response", "id", "error"),
    [
        (GONE, None, Unavailable),
        (failed("unavailable_shards_exception", 503), None, Unavailable),
        (failed("resource_not_found_exception", 404), "x", NotFoundError),
        (failed("parsing_exception", 400), None, FilterError),
        (failed("strange", 500), None, ServerError),
    ],
)
def test_errors_inside_a_response(
    live: Any, monkeypatch: pytest.MonkeyPatch, response: dict[str, Any], id: str | None, error: type[Exception]
) -> None:
    answers(monkeypatch, response)
    with pytest.raises(error):
        live.send(OLD, [Query({}, "lists")], [id])


def test_one_physical_index_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    index = LiveIndex(Connection(("http://127.0.0.1:9",)), "docs", "airlsh-docs-old")
    answers(monkeypatch, GONE)
    with pytest.raises(NotFoundError, match="airlsh builds list docs"):
        index.send(OLD, [Query({}, "lists")])


def test_each_query_has_its_response(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"_shards": {"total": 1, "successful": 1}, "timed_out": False}
    found = [{**whole, "took": n, "hits": {"hits": [], "total": {"value": n}}} for n in (3, 7)]
    answers(monkeypatch, *found)
    responses = live.send(OLD, [Query({}, "lists")] * 2)
    assert [(each.rows, each.took_ms) for each in responses] == [(3, 3), (7, 7)]
