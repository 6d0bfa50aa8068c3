"""Behaviour that all retrieval strategies share."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.retrieval.client_query import ClientQuery
from lsh_core.retrieval.contract import EXACT_ROWS, Retrieval
from lsh_core.retrieval.query import MAX_RESULTS, all_of, by_vector, excluding
from tests.fakes.vector_fields import graph_field, list_field, table_field

STRATEGIES = [field().strategy for field in (list_field, table_field, graph_field)]
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)


@every_strategy
def test_the_vector_is_a_flat_field_of_exact_scores(strategy: Retrieval) -> None:
    assert strategy.flat_field() == {
        "type": "dense_vector",
        "dims": 3,
        "index": True,
        "similarity": "l2_norm",
        "index_options": {"type": "flat"},
    }


@every_strategy
def test_a_scan_scores_every_row_of_the_flat_field(strategy: Retrieval) -> None:
    query = strategy.exact(by_vector(VECTOR), k=7)
    assert query.body["query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 7, "num_candidates": 7}}
    assert query.body["_source"] is False
    assert query.body["size"] == 7
    assert (query.path, query.rows_scored(70)) == ("exact", 70)
    assert query.pooled(100).body == {**query.body, "size": 100}


@every_strategy
def test_a_scan_under_a_filter_by_a_stored_vector(strategy: Retrieval) -> None:
    target = strategy.stored_vector("i", "r1")
    body = strategy.exact(target, k=7, query_filter=all_of(FILTER, excluding("r1")), fields=None).body
    knn = body["query"]["knn"]
    assert knn["filter"] == {"bool": {"filter": [FILTER, {"bool": {"must_not": [{"ids": {"values": ["r1"]}}]}}]}}
    assert knn["query_vector_builder"] == {"lookup": {"index": "i", "id": "r1", "path": "v"}}
    assert body["_source"] == {"excludes": ["airlsh"]}


@pytest.mark.usefixtures("example_plugins")
def test_rows_are_compared_in_the_client_by_a_metric_that_the_server_does_not_know() -> None:
    strategy = list_field(metric="l1").strategy
    for query in (
        strategy.exact(by_vector(VECTOR), k=7),
        strategy.by_vector(VECTOR, ["Abcd01"], k=7, effort=strategy.effort(1), shards=1),
    ):
        assert isinstance(query, ClientQuery)
        assert (query.vector, query.metric, query.k, query.body["size"]) == (tuple(VECTOR), "l1", 7, MAX_RESULTS)
    assert not strategy.can_look_up(strategy.effort(1))
    assert not strategy.can_look_up(None)


@every_strategy
def test_a_scan_looks_up_the_vector_of_a_row(strategy: Retrieval) -> None:
    assert strategy.can_look_up(None)


@every_strategy
@pytest.mark.parametrize("passing", [0, 1, EXACT_ROWS])
def test_few_rows_are_scanned(strategy: Retrieval, passing: int) -> None:
    effort = strategy.effort(8)
    assert strategy.effort_under_filter(effort, rows=1_000_000, passing=passing, default=8) is None
    assert strategy.effort_under_filter(effort, rows=1_000_000, passing=1_000_000, default=8) == effort


@every_strategy
@pytest.mark.parametrize(
    ("fields", "source"),
    [
        (None, {"excludes": ["airlsh"]}),
        ((), False),
        (("title",), {"includes": ["title"], "excludes": ["airlsh"]}),
        (["*"], {"includes": ["*"], "excludes": ["airlsh"]}),
    ],
)
def test_fields_of_hits(strategy: Retrieval, fields: Any, source: Any) -> None:
    wanted: dict[str, Any] = {"k": 1, "effort": strategy.effort(1), "shards": 1, "fields": fields}
    ids = {"stored_fields": "_none_", "docvalue_fields": ["airlsh.id"]} if source is False else {}
    for query in (strategy.by_vector(VECTOR, ["Abcd01"], **wanted), strategy.by_id("i", "r1", **wanted)):
        assert query.body["_source"] == source
        assert {name: query.body[name] for name in query.body if name in ("stored_fields", "docvalue_fields")} == ids
