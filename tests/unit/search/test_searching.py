"""Which requests a search sends, and which build answers them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lsh_core.errors import ModelMismatchError, RowNotFoundError, VectorError
from lsh_core.models.effort import Effort
from lsh_core.retrieval.query import Query
from lsh_core.search.live_index import AliasMoved, Ask
from lsh_core.search.request import SearchRequest
from lsh_core.search.results import Response
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.search.searching import Searcher
from tests.fakes.vector_fields import list_field

ROWS = 2
HITS = {
    "lists": [{"_id": "a", "_score": 0.5}],
    "exact": [{"_id": "a", "_score": 0.5}, {"_id": "b", "_score": 0.2}],
    "match": [{"_id": "b", "_score": 3.0, "matched_queries": {"airlsh.vector": 0.2}}],
}
VECTOR = [1.0, 0.0, 0.0]
PACKED = {"v": [base64.b64encode(np.array(VECTOR, ">f4").tobytes()).decode()]}


class Model:
    """Probes every list that there is, and remembers how many vectors at a time."""

    effort_name = "reach"
    token_count = 4

    def __init__(self) -> None:
        self.probed: list[tuple[int, Effort]] = []

    def tokens_for(self, vectors: np.ndarray, effort: Effort) -> list[np.ndarray]:
        self.probed.append((len(vectors), effort))
        return [np.zeros(effort.whole, np.int64)] * len(vectors)


def build_named(name: str, **changes: Any) -> SearchableBuild:
    fields = {"title": {"type": "text"}}
    return SearchableBuild(
        f"airlsh-docs-{name}",
        cast("Any", SimpleNamespace(name="docs", build=name, vectors=(list_field(**changes),))),
        1,
        cast("Any", Model()),
        ("title",),
        fields,
    )


class RecordedIndex:
    """Answers with `HITS`, by the path of a query, and remembers what was sent together."""

    def __init__(self, live: SearchableBuild) -> None:
        self.live = live
        self.sent: list[list[Query]] = []
        self.looked_up: list[Any] = []

    def build(self) -> SearchableBuild:
        return self.live

    def send(self, build: SearchableBuild, asks: Sequence[Ask]) -> list[Response]:
        queries = [ask.query for ask in asks]
        assert build is self.live
        if any(query.body["size"] == 0 for query in queries):
            return [Response({"hits": [], "total": {"value": ROWS}}, 1)]
        self.sent.append(list(queries))
        self.looked_up.append([ask.id for ask in asks])
        return [self.answer(query) for query in queries]

    def answer(self, query: Query) -> Response:
        if "ids" in query.body["query"]:
            stored = query.body["query"]["ids"] != {"values": ["nobody"]}
            return Response({"hits": [{"fields": PACKED}] * stored, "total": {"value": 1}}, 1)
        hits = [{**hit, "fields": PACKED} for hit in HITS[query.path]]
        return Response({"hits": hits, "total": {"value": len(hits)}}, 5)


class NamedEncoder:
    """Makes the vector of a text; the alias may move meanwhile."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.encoded, self.meanwhile = list[str](), meanwhile

    def of_text(self, build: SearchableBuild, text: str) -> np.ndarray:
        self.encoded.append(build.meta.build)
        self.meanwhile()
        return np.array(VECTOR, np.float32)


def search(*requests: SearchRequest, **changes: Any) -> tuple[list[list[str]], list[Any], RecordedIndex]:
    """Return the paths of the queries that were sent, by requests, the results, and what recorded them."""
    index = RecordedIndex(build_named("b1", **changes))
    results = Searcher(cast("Any", index), cast("Any", NamedEncoder())).search(index.live, requests)
    return [[query.path for query in queries] for queries in index.sent], results, index


def test_requests_of_every_kind_are_sent_together() -> None:
    sent, results, _ = search(
        SearchRequest(VECTOR, k=1), SearchRequest(id="x", k=1, effort={}), SearchRequest(VECTOR, k=1, match="word")
    )
    assert sent[-1] == ["lists", "lists", "lists", "match"]
    assert [result.ids for result in results] == [["a"], ["a"], ["a"]]
    assert {(result.index, result.build, result.model_id) for result in results} == {("airlsh-docs-b1", "b1", "docs-1")}


def test_vectors_of_one_effort_are_probed_together() -> None:
    units = ("probes", "probes", "probes", "reach")
    asked = [SearchRequest(VECTOR, k=1, effort={unit: each}) for unit, each in zip(units, (2, 3, 2, 2), strict=True)]
    _, _, index = search(*asked)
    model: Any = index.live.model
    assert set(model.probed) == {(1, Effort("probes", 3)), (2, Effort("probes", 2)), (1, Effort("reach", 2.0))}


@pytest.mark.parametrize(("weight", "fusion"), [(None, "weighted"), (0.01, "weighted"), (None, "rrf")])
def test_both_rankings_come_from_one_request(weight: float | None, fusion: Any) -> None:
    request = SearchRequest(VECTOR, k=1, match="word", match_weight=weight, fusion=fusion)
    sent, (result,), _ = search(request)
    assert sent == [["lists", "match"]]
    assert (result.strategy, result.rows_scored, len(result.ids)) == ("lists", 1, 1)


@pytest.mark.parametrize(("weight", "path", "ids"), [(0, "lists", ["a"]), (1, "match", ["b"])])
def test_what_has_no_weight_is_not_asked_for(weight: float, path: str, ids: list[str]) -> None:
    sent, (result,), _ = search(SearchRequest(VECTOR, k=1, match="word", match_weight=weight))
    assert sent == [[path]]
    assert (result.strategy, result.ids) == (path, ids)


def test_too_few_by_their_tokens_are_a_scan() -> None:
    sent, (short, enough), _ = search(SearchRequest(VECTOR, k=2), SearchRequest(VECTOR, k=1))
    assert sent == [["lists", "lists"], ["exact"]]
    assert (short.strategy, short.ids, short.took_ms) == ("exact", ["a", "b"], 10)
    assert (enough.strategy, enough.ids, enough.took_ms) == ("lists", ["a"], 5)


def test_too_few_by_their_tokens_are_a_scan_beside_the_same_words() -> None:
    sent, (result,), _ = search(SearchRequest(VECTOR, k=2, match="word"))
    assert sent == [["lists", "match"], ["exact", "match"]]
    assert (result.strategy, sorted(result.ids)) == ("exact", ["a", "b"])


def test_an_effort_that_is_given_is_what_is_done() -> None:
    for words in (None, "word"):
        sent, (result,), _ = search(SearchRequest(VECTOR, k=2, match=words, effort={"probes": 1}))
        assert sent == [["lists", *(["match"] if words else [])]]
        assert result.strategy == "lists"


def test_few_rows_with_the_words_are_no_reason_to_scan() -> None:
    assert search(SearchRequest(VECTOR, k=2, match="word", match_weight=1))[0] == [["match"]]


def test_exact_is_one_scan() -> None:
    sent, (result,), _ = search(SearchRequest(VECTOR, k=2, exact=True))
    assert sent == [["exact"]]
    assert result.strategy == "exact"
    assert search(SearchRequest(id="x", k=2, match="word", exact=True))[0] == [["exact", "match"]]


def test_a_row_is_looked_up_by_the_server_where_that_is_enough() -> None:
    sent, _, index = search(SearchRequest(id="x", k=1, exact=True))
    assert sent == [["exact"]]
    assert index.looked_up == [["x"]]


def test_a_row_s_vector_is_read_where_its_lists_are_too_few() -> None:
    for request in (SearchRequest(id="x", k=1), SearchRequest(id="x", k=1, effort={"probes": 2})):
        sent, _, index = search(request, lookup_lists=2)
        assert sent == [["exact"], ["lists"]]  # The row alone, then its neighbours.
        assert index.looked_up == [[None], [None]]
    with pytest.raises(RowNotFoundError, match="nobody"):
        search(SearchRequest(id="nobody", k=1), lookup_lists=2)


@pytest.mark.usefixtures("example_plugins")
def test_a_row_s_vector_is_read_under_a_metric_that_the_server_does_not_know() -> None:
    for request in (SearchRequest(id="x", k=1), SearchRequest(id="x", k=1, exact=True)):
        sent, _, index = search(request, lookup_lists=8, metric="l1")
        assert sent == [["exact"], ["exact" if request.exact else "lists"]]
        assert index.looked_up == [[None], [None]]


def test_a_text_is_encoded_by_the_build_that_answers() -> None:
    old, new = build_named("old"), build_named("new")
    index = RecordedIndex(old)
    encoder = NamedEncoder(lambda: setattr(index, "live", new))
    searcher = Searcher(cast("Any", index), cast("Any", encoder))
    request = SearchRequest(text="four", k=1)
    with pytest.raises(AliasMoved):
        searcher.search(old, [request])
    assert index.sent == []
    assert searcher.search(new, [request])[0].build == "new"
    assert encoder.encoded == ["old", "new"]


def test_a_vector_without_a_direction_is_named_by_its_place_among_all_requests() -> None:
    requests = [SearchRequest(VECTOR), SearchRequest(id="x"), SearchRequest(VECTOR), SearchRequest([0.0, 0.0, 0.0])]
    with pytest.raises(VectorError, match="vector 3 is zero, or nearly") as raised:
        search(*requests, metric="cosine", similarity="cosine")
    assert raised.value.row == 3


def test_a_vector_of_another_length_is_refused_before_anything_is_sent() -> None:
    index = RecordedIndex(build_named("b1"))
    with pytest.raises(ModelMismatchError, match="vectors of 3 numbers, given 2"):
        Searcher(cast("Any", index), cast("Any", NamedEncoder())).search(index.live, [SearchRequest([1.0, 2.0])])
    assert index.sent == []
