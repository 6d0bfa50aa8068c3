from __future__ import annotations

import numpy as np

from lsh_core.models.hnsw import HNSW
from lsh_core.retrieval.contract import EXACT_ROWS
from lsh_core.retrieval.graph import Graph
from lsh_core.retrieval.query import excluding
from tests.fakes.vector_fields import graph_field

GRAPH = graph_field().strategy
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]
ROWS = 1_000_000


def test_the_parameters_are_the_models_options() -> None:
    model = HNSW(m=8, ef_construction=40).fit(np.ones((10, 3), np.float32))
    assert Graph.parameters_of(model, "ab" * 32) == {"m": 8, "ef_construction": 40}


def test_a_graph_is_a_second_field_that_is_never_quantised() -> None:
    graph = GRAPH.own_fields()["graph"]["properties"]["v"]
    assert graph.pop("index_options") == {"type": "hnsw", "m": 16, "ef_construction": 100}
    assert graph == {key: value for key, value in GRAPH.flat_field().items() if key != "index_options"}
    assert GRAPH.vector_paths == ("v", "airlsh.graph.v")
    assert GRAPH.sort_fields() == ()


def test_a_row_is_written_with_a_second_copy_of_its_vector_and_no_codes() -> None:
    assert GRAPH.row_parts(np.empty((2, 0), np.int64), None) == [b"", b""]
    assert GRAPH.vector_copy == (b',"graph":{"v":"', b'"}')


def test_a_graph_is_asked_for_as_many_candidates_as_are_wanted() -> None:
    query = GRAPH.by_vector(VECTOR, [], k=10, effort=GRAPH.effort(150), shards=3, query_filter=FILTER)
    assert query.body["query"]["knn"] == {
        "field": "airlsh.graph.v",
        "query_vector": VECTOR,
        "k": 10,
        "num_candidates": 150,
        "filter": FILTER,
    }
    assert (query.path, query.rows_scored(70)) == ("graph", None)
    assert "filter" not in GRAPH.by_vector(VECTOR, [], k=10, effort=GRAPH.effort(150), shards=3).body["query"]["knn"]


def test_a_graph_keeps_at_least_what_is_answered() -> None:
    assert (
        GRAPH.by_vector(VECTOR, [], k=200, effort=GRAPH.effort(150), shards=1).body["query"]["knn"]["num_candidates"]
        == 200
    )


def test_a_pool_is_what_the_graph_keeps_or_less() -> None:
    query = GRAPH.by_vector(VECTOR, [], k=10, effort=GRAPH.effort(150), shards=1)
    for pool, size in ((100, 100), (2_000, 150)):
        pooled = query.pooled(pool)
        assert (pooled.body["size"], pooled.body["query"]["knn"]["k"]) == (size, size)
    assert (query.body["size"], query.body["query"]["knn"]["k"]) == (10, 10)


def test_by_id_a_graph_needs_the_vector_alone() -> None:
    query = GRAPH.by_id("airlsh-docs-b1", "r1", k=5, effort=GRAPH.effort(70), shards=2)
    knn = query.body["query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert (knn["field"], knn["filter"], knn["num_candidates"]) == ("airlsh.graph.v", excluding("r1"), 70)
    assert query.path == "graph"
    assert GRAPH.can_look_up(GRAPH.effort(5_000))


def test_no_smaller_effort_than_the_models_is_measured_with_rows_of_the_index() -> None:
    assert GRAPH.favours_own_rows
    assert GRAPH.effort_range(10, ROWS) == (10, 10_000)
    assert GRAPH.measured_range(10, ROWS, 150) == (150, 10_000)
    assert GRAPH.measured_range(10, 40, 150) == (40, 40)


def test_a_graph_is_searched_until_enough_rows_pass() -> None:
    assert GRAPH.effort_under_filter(GRAPH.effort(150), rows=ROWS, passing=EXACT_ROWS + 1, default=150) == GRAPH.effort(
        150
    )
