from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson
import pytest

from lsh_core.retrieval.query import Query, by_vector
from lsh_core.search.queries import count_query, row_query, search_lines
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field()
TABLES = table_field()
GRAPH = graph_field()
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]


@pytest.mark.parametrize(("query_filter", "query"), [(None, {"match_all": {}}), (FILTER, FILTER)])
def test_rows_are_counted_without_a_hit(query_filter: Any, query: Any) -> None:
    body = count_query(query_filter).body
    assert (body["query"], body["size"], body["_source"], body["track_total_hits"]) == (query, 0, False, True)


def test_a_stored_row_is_read_with_its_vector() -> None:
    body = row_query(LISTS, "r1").body
    assert body["query"] == {"ids": {"values": ["r1"]}}
    assert (body["_source"], body["stored_fields"]) == (False, "_none_")
    assert body["docvalue_fields"] == [{"field": "v", "format": "binary"}]


def test_lines_of_a_multi_search() -> None:
    vector = np.array([1.0, -0.5, 3e-9], np.float32)
    plain, hybrid = Query({"query_vector": vector, "size": 1}, "lists"), Query({"size": 2}, "match", hybrid=True)
    first, body, second, other, end = search_lines("airlsh-docs-b1", [plain, hybrid]).split(b"\n")
    assert orjson.loads(first) == {"index": "airlsh-docs-b1", "allow_partial_search_results": False}
    assert orjson.loads(second) == {**orjson.loads(first), "search_type": "dfs_query_then_fetch"}
    assert (orjson.loads(other), end) == ({"size": 2}, b"")
    sent = base64.b64decode(orjson.loads(body)["query_vector"], validate=True)
    assert np.frombuffer(sent, ">f4").tolist() == vector.tolist()


def test_lines_hold_json_alone() -> None:
    with pytest.raises(TypeError, match="JSON"):
        search_lines("airlsh-docs-b1", [Query({"fields": {1, 2}}, "lists")])


def test_what_is_given_is_not_changed() -> None:
    query_filter = {"term": {"section": "web"}}
    tokens = ["Abcd01"]
    for field in (LISTS, TABLES, GRAPH):
        asked: dict[str, Any] = {"k": 1, "query_filter": query_filter}
        field.strategy.by_vector(VECTOR, tokens, effort=field.strategy.effort(1), shards=1, **asked).body[
            "query"
        ].clear()
        field.strategy.exact(by_vector(VECTOR), **asked).body["query"].clear()
    assert query_filter == FILTER
    assert tokens == ["Abcd01"]
