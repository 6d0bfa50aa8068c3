"""Which requests a hybrid search makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lsh_core.errors import SettingsError
from lsh_core.search.hybrid_search import HybridSearch, checked_text
from lsh_core.search.live_index import LiveIndex, Response
from lsh_core.search.neighbour_search import NeighbourSearch, Plan
from lsh_core.search.queries import Query, by_vector, token_query
from lsh_core.search.request import Request
from lsh_core.search.searchable_build import SearchableBuild
from tests.fakes.vector_fields import list_field

BUILD = cast(
    "SearchableBuild",
    SimpleNamespace(
        index="airlsh-docs-b1",
        field=list_field(),
        meta=SimpleNamespace(build="b1"),
        mapping={"title": {"type": "text"}, "tags": {"type": "keyword"}},
        text_fields=("title", "body.de"),
    ),
)
HITS = {
    "lists": [{"_id": "a", "_score": 0.5}],
    "exact": [{"_id": "a", "_score": 0.5}, {"_id": "b", "_score": 0.2}],
    "text": [{"_id": "b", "_score": 3.0, "matched_queries": {"airlsh.vector": 0.2}}],
}


class CountedIndex:
    """Answers with `HITS`, by the path of a query, and remembers what was sent together."""

    def __init__(self) -> None:
        self.sent: list[list[Query]] = []

    def find(self, queries: Callable[[SearchableBuild], Sequence[Query]], **_: Any) -> Response:
        self.sent.append(list(queries(BUILD)))
        hits = [{"hits": HITS[query.path], "total": {"value": len(HITS[query.path])}} for query in self.sent[-1]]
        return Response(BUILD, self.sent[-1], hits)

    def ask(self, queries: Callable[[SearchableBuild], Sequence[Query]], **_: Any) -> Any:
        """Tell how many rows there are."""
        return [SimpleNamespace(scored=2)]


def search(text: str = "word", weight: float | None = None, fusion: str = "weighted", **asked: Any) -> Any:
    """Return the paths of the queries that were sent, by requests, and the answer."""
    asker = CountedIndex()
    request = Request(**{"k": 2, "fields": (), "query_filter": None, "recall": None, "effort": {}, **asked})
    plan = Plan(
        request,
        lambda build: [token_query(build.field, [1.0], ["t"], k=2, effort=1, shards=1)],
        lambda _: [by_vector([1.0])],
    )
    shared = cast("LiveIndex", asker)
    answer = HybridSearch(shared, NeighbourSearch(shared)).answer(plan, checked_text(text, (), weight, fusion))
    return [[query.path for query in queries] for queries in asker.sent], answer


@pytest.mark.parametrize(("weight", "fusion"), [(None, "weighted"), (0.01, "weighted"), (None, "rrf")])
def test_both_rankings_come_from_one_request(weight: float | None, fusion: str) -> None:
    sent, answer = search(weight=weight, fusion=fusion, k=1)
    assert sent == [["lists", "text"]]
    assert (answer.path, answer.scored, len(answer.ids)) == ("lists", 1, 1)


@pytest.mark.parametrize(("weight", "path", "ids"), [(0, "lists", ["a"]), (1, "text", ["b"])])
def test_what_has_no_weight_is_not_asked_for(weight: float, path: str, ids: list[str]) -> None:
    sent, answer = search(weight=weight, k=1)
    assert sent == [[path]]
    assert (answer.path, answer.ids) == (path, ids)


def test_too_few_by_their_tokens_are_a_scan_beside_the_same_text() -> None:
    sent, answer = search()
    assert sent == [["lists", "text"], ["exact", "text"]]
    assert (answer.path, sorted(answer.ids)) == ("exact", ["a", "b"])


def test_an_effort_that_is_given_is_what_is_done() -> None:
    sent, answer = search(effort={"probes": 1})
    assert sent == [["lists", "text"]]
    assert answer.path == "lists"


def test_few_rows_with_the_text_are_no_reason_to_scan() -> None:
    assert search(weight=1, k=2)[0] == [["text"]]


def test_what_is_not_full_text_is_refused_with_what_is() -> None:
    plan = Plan(Request(1, (), None, None, {}), lambda _: [], lambda _: [by_vector([1.0])])
    asker = cast("LiveIndex", CountedIndex())
    with pytest.raises(
        SettingsError,
        match=r"text_field='tags': is not full text in .*, but of type keyword; there are title, body\.de",
    ):
        HybridSearch(asker, NeighbourSearch(asker)).answer(plan, checked_text("x", ["title", "tags"], None, "weighted"))


@pytest.mark.parametrize(
    ("fields", "shown"), [((), "text='two words'"), (("title", "body"), "text_field='title, body'")]
)
def test_a_text_for_a_build_without_full_text_is_refused_by_what_was_given(
    monkeypatch: pytest.MonkeyPatch, fields: tuple[str, ...], shown: str
) -> None:
    monkeypatch.setattr(BUILD, "text_fields", ())
    plan = Plan(Request(1, (), None, None, {}), lambda _: [], lambda _: [by_vector([1.0])])
    asker = cast("LiveIndex", CountedIndex())
    with pytest.raises(SettingsError, match=f"^{shown}: index airlsh-docs-b1 has no full text: build it with"):
        HybridSearch(asker, NeighbourSearch(asker)).answer(plan, checked_text("two words", fields, None, "weighted"))


@pytest.mark.parametrize(
    ("text", "weight", "fusion", "setting"),
    [
        (" \n", None, "weighted", "text"),
        ("x" * 10_001, None, "weighted", "text"),
        ("x", -0.1, "weighted", "text_weight"),
        ("x", 1.1, "weighted", "text_weight"),
        ("x", float("nan"), "weighted", "text_weight"),
        ("x", 0.5, "rrf", "text_weight"),
        ("x", None, "sum", "fusion"),
    ],
)
def test_what_cannot_be(text: str, weight: float | None, fusion: str, setting: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_text(text, None, weight, fusion)
    assert caught.value.setting == setting


def test_the_usual_weight() -> None:
    assert checked_text("x", None, None, "weighted").weight == 0.5
    assert checked_text("x", None, None, "rrf").weight is None
