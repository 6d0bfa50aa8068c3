from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.models.effort import Effort
from lsh_core.models.ivf import IVF
from lsh_core.models.reach import MAX_REACH
from lsh_core.retrieval.lists import LOOKUP_LISTS, MIN_MEASURED, Lists
from lsh_core.retrieval.query import excluding
from tests.fakes.vector_fields import list_field

LISTS = list_field().strategy
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]
ROWS = 1_000_000
SAMPLE = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


def test_the_parameters_are_those_of_the_model() -> None:
    model = IVF(lists=100, spill=1).fit(SAMPLE)
    found = Lists.parameters_of(model, "ab" * 32)
    assert found == {"token_prefix": "q6ur", "token_width": 2, "lists": 100, "lookup_lists": LOOKUP_LISTS}
    assert Lists.parameters_of(IVF(lists=3).fit(SAMPLE), "ab" * 32)["lookup_lists"] == 3


def test_the_index_is_sorted_by_list_and_looks_up_what_it_does_not_parse() -> None:
    assert LISTS.own_fields() == {
        "tokens": {
            "properties": {"v": {"type": "keyword", "similarity": "boolean", "doc_values": False, "norms": False}}
        },
        "list": {"properties": {"v": {"type": "integer", "index": False}}},
        "near": {"type": "object", "enabled": False},
    }
    assert LISTS.sort_fields() == ("airlsh.list.v",)
    assert LISTS.vector_paths == ("v",)


def test_a_row_is_written_with_its_lists_and_those_that_a_query_visits() -> None:
    parts = LISTS.row_parts(np.array([[7, 12], [3, 4]]), np.array([[12, 7, 5], [4, 3, 9]]))
    assert parts == [
        b',"tokens":{"v":["Abcd007","Abcd012"]},"list":{"v":7},"near":{"v":["Abcd012","Abcd007"]}',
        b',"tokens":{"v":["Abcd003","Abcd004"]},"list":{"v":3},"near":{"v":["Abcd004","Abcd003"]}',
    ]
    assert LISTS.vector_copy is None


def test_a_model_must_say_which_lists_a_query_visits() -> None:
    with pytest.raises(TypeError, match="nearest lists of each row"):
        LISTS.row_parts(np.array([[7]]), None)


def test_rows_are_encoded_with_as_many_lists_as_are_stored() -> None:
    codes = LISTS.encode(IVF(lists=100, spill=1).fit(SAMPLE), SAMPLE[:5])
    assert codes.near is not None
    assert codes.near.shape == (5, 2)


def test_lists_are_a_filter_and_the_rest_is_exact() -> None:
    query = LISTS.by_vector(VECTOR, ["Abcd01", "Abcd07"], k=10, effort=Effort("probes", 2), shards=3)
    assert query.body == {
        "query": {
            "knn": {
                "field": "v",
                "query_vector": VECTOR,
                "k": 10,
                "num_candidates": 10,
                "filter": {"terms": {"airlsh.tokens.v": ["Abcd01", "Abcd07"]}},
            }
        },
        "size": 10,
        "_source": {"excludes": ["airlsh"]},
        "track_total_hits": True,
    }
    assert (query.path, query.rows_scored(70)) == ("lists", 70)


def test_a_filter_holds_for_every_row_that_is_scored() -> None:
    body = LISTS.by_vector(VECTOR, ["Abcd01"], k=1, effort=Effort("reach", 1.0), shards=1, query_filter=FILTER).body
    assert body["query"]["knn"]["filter"] == {"bool": {"filter": [{"terms": {"airlsh.tokens.v": ["Abcd01"]}}, FILTER]}}


def test_by_id_the_server_looks_both_up_and_leaves_the_row_out() -> None:
    query = LISTS.by_id("airlsh-docs-b1", "r1", k=5, effort=Effort("probes", 7), shards=2)
    knn = query.body["query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert knn["filter"]["bool"]["filter"] == [
        {"terms": {"airlsh.tokens.v": {"index": "airlsh-docs-b1", "id": "r1", "path": "airlsh.near.v"}}},
        excluding("r1"),
    ]
    assert "query_vector" not in knn
    assert query.body["size"] == 5
    assert (query.path, query.rows_scored(70)) == ("lists", 70)


def test_the_stored_lists_of_a_row_are_too_few_for_a_reach() -> None:
    assert not LISTS.can_look_up(Effort("reach", 0.8))
    assert LISTS.can_look_up(None)


def test_the_effort_is_a_reach() -> None:
    assert LISTS.effort_unit == "reach"
    assert LISTS.effort(1.05) == Effort("reach", 1.05)
    assert LISTS.effort_range(10, ROWS) == LISTS.measured_range(10, ROWS, 1.1) == (MIN_MEASURED, MAX_REACH)
    assert LISTS.nested


def test_a_caller_gives_a_reach_or_a_number_of_lists() -> None:
    assert LISTS.effort_units == ("reach", "probes")
    assert LISTS.checked_effort("reach", 1.25) == Effort("reach", 1.25)
    assert LISTS.checked_effort("probes", 7) == Effort("probes", 7)
    assert LISTS.checked_effort("probes", 1_000_000) == Effort("probes", 100)
    for value in (0.05, 101.0, float("nan")):
        with pytest.raises(SettingsError, match=r"reach=.*: must be from 0.1 to 100"):
            LISTS.checked_effort("reach", value)
    with pytest.raises(SettingsError, match="from 1 to 65536"):
        LISTS.checked_effort("probes", 0)
    with pytest.raises(SettingsError, match="from 1 to 65536"):
        list_field(lists=100_000).strategy.checked_effort("probes", 70_000)


@pytest.mark.parametrize(("passing", "widening"), [(ROWS, 1.0), (ROWS // 2, 2.0), (ROWS // 10, 10.0)])
def test_as_many_rows_that_pass_are_scored_as_without_a_filter(passing: int, widening: float) -> None:
    effort = LISTS.effort_under_filter(Effort("reach", 1.1), rows=ROWS, passing=passing, default=1.0)
    assert effort == Effort("reach", 1.1, widening)
