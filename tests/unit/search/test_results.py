"""Responses of Elasticsearch as results."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from lsh_core.retrieval.graph import GraphQuery
from lsh_core.retrieval.query import Query
from lsh_core.search.results import Response, SearchResult
from lsh_core.search.results import read_result as read
from tests.fakes.vector_fields import list_field

HITS = [
    {"_id": "a", "_score": 1.0, "_source": {"title": "A"}},
    {"_id": "b", "_score": 0.2, "_source": {"title": "B"}},
]
LISTS = Query({}, "lists")


def read_result(
    hits: list[dict[str, Any]], metric: str = "l2", query: Query = LISTS, total: int | None = None
) -> SearchResult:
    build: Any = SimpleNamespace(
        index="airlsh-docs-b1", meta=SimpleNamespace(build="b1"), field=list_field(metric=metric)
    )
    matching = len(hits) if total is None else total
    found = {"hits": hits, "total": {"value": matching, "relation": "eq"}}
    return read(Response.from_json({"hits": found, "took": 4}), query, build)


def test_hits_become_neighbours() -> None:
    result = read_result(HITS)
    assert (result.index, result.build, result.model_id, result.took_ms) == ("airlsh-docs-b1", "b1", "docs-1", 4)
    assert result.ids == ["a", "b"]
    assert [neighbour.rank for neighbour in result.neighbours] == [1, 2]
    assert [neighbour.distance for neighbour in result.neighbours] == [0.0, 2.0]  # 1 / (1 + d²) = 0.2
    assert [neighbour.score for neighbour in result.neighbours] == [1.0, 0.2]
    assert result.neighbours[1].fields == {"title": "B"}


def test_cosine_distances() -> None:
    hits = [{"_id": str(score), "_score": score} for score in (1.0, 0.75, 0.0)]
    assert [neighbour.distance for neighbour in read_result(hits, "cosine").neighbours] == [0.0, 0.5, 2.0]


def test_dot_distances() -> None:
    """They are -x·q, negative for rows in the direction of the query; the server's scores are positive always."""
    hits = [{"_id": str(score), "_score": score} for score in (26.0, 1.0, 0.25)]
    assert [neighbour.distance for neighbour in read_result(hits, "dot").neighbours] == [-25.0, 0.0, 3.0]


def test_no_hits_no_neighbours() -> None:
    result = read_result([], "cosine")
    assert result == SearchResult("airlsh-docs-b1", "b1", "docs-1", "lists", 0, 4, ())
    assert result.ids == []


def test_the_time_of_a_search_does_not_make_it_another() -> None:
    assert read_result([]) == SearchResult("airlsh-docs-b1", "b1", "docs-1", "lists", 0, 99, ())


@pytest.mark.parametrize(("most", "scored"), [(None, 500), (100, 100), (900, 500)])
def test_a_result_says_how_it_was_found(most: int | None, scored: int) -> None:
    result = read_result(HITS, query=Query({}, "tables", most), total=500)
    assert (result.strategy, result.rows_scored) == ("tables", scored)


def test_how_many_rows_a_graph_led_to_is_not_known() -> None:
    result = read_result(HITS, query=GraphQuery({}, "graph"))
    assert (result.strategy, result.rows_scored) == ("graph", None)


def test_hits_without_fields_have_their_id_in_doc_values() -> None:
    (found,) = read_result([{"_score": 0.5, "fields": {"airlsh.id": ["ä/1"]}}]).neighbours
    assert (found.id, found.fields) == ("ä/1", {})


def test_a_result_is_json() -> None:
    result = orjson.loads(orjson.dumps(read_result(HITS).to_json()))
    assert list(result) == ["index", "build", "model_id", "strategy", "rows_scored", "took_ms", "neighbours"]
    assert (result["build"], result["strategy"], result["rows_scored"]) == ("b1", "lists", 2)
    assert result["neighbours"][1] == {"rank": 2, "id": "b", "distance": 2.0, "score": 0.2, "fields": {"title": "B"}}


def test_hits_by_vector_of_a_search_with_words() -> None:
    named = {"_id": "a", "_score": 0.5, "_source": {"title": "A"}, "matched_queries": {"airlsh.match": 3.5}}
    result = read_result([named, {"_id": "b", "_score": 0.2}], query=Query({}, "lists", hybrid=True), total=7)
    first, second = result.neighbours
    assert (first.rank, first.distance, first.score, first.match_score) == (1, 1.0, 0.5, 3.5)
    assert (second.rank, second.distance, second.score, second.match_score) == (2, 2.0, 0.2, 0.0)
    assert (result.strategy, result.rows_scored) == ("lists", 7)
    assert second.to_json() == {"rank": 2, "id": "b", "distance": 2.0, "score": 0.2, "match_score": 0.0, "fields": {}}


def test_hits_by_words() -> None:
    hit = {"_id": "a", "_score": 3.5, "matched_queries": {"airlsh.vector": 0.2}}
    result = read_result([hit], query=Query({}, "match", 100, hybrid=True), total=900)
    (only,) = result.neighbours
    assert (only.distance, only.score, only.match_score) == (2.0, 3.5, 3.5)
    assert (result.strategy, result.rows_scored) == ("match", 100)
