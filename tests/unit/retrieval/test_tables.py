from __future__ import annotations

import numpy as np
import pytest

from lsh_core.built_in import MAX_PARTS
from lsh_core.errors import SettingsError
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.subspace import Subspace
from lsh_core.retrieval.tables import Tables
from tests.fakes.vector_fields import table_field

TABLES = table_field().strategy
FILTER = {"term": {"section": "web"}}
VECTOR = [1.0, 2.0]
ROWS = 1_000_000
SAMPLE = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("model", "enough"),
    [(Subspace(), True), (Subspace(metric="dot"), False), (Hyperplane(), False), (Hyperplane(metric="dot"), False)],
)
def test_the_tokens_of_a_row_lead_to_its_neighbours_where_a_query_has_the_same(
    model: Subspace | Hyperplane, enough: bool
) -> None:
    parameters = Tables.parameters_of(model.fit(SAMPLE), "ab" * 32)
    assert parameters["token_prefix"] == "q6ur"
    assert table_field(**parameters).strategy.can_look_up(TABLES.effort(5_000)) is enough


def test_only_tokens_are_mapped_and_nothing_is_sorted() -> None:
    assert set(TABLES.own_fields()) == {"tokens"}
    assert TABLES.sort_fields() == ()
    assert TABLES.vector_paths == ("v",)


def test_a_row_is_written_with_its_tokens() -> None:
    parts = TABLES.row_parts(np.array([[7, 12], [3, 4]]), None)
    assert parts == [b',"tokens":{"v":["Abcd007","Abcd012"]}', b',"tokens":{"v":["Abcd003","Abcd004"]}']
    assert TABLES.vector_copy is None


def test_rows_are_ranked_by_shared_tokens_and_rescored_exactly() -> None:
    query = TABLES.by_vector(VECTOR, ["Abcd01", "Abcd07"], k=10, effort=TABLES.effort(100), shards=1)
    assert query.body["query"] == {
        "bool": {
            "should": [{"term": {"airlsh.tokens.v": "Abcd01"}}, {"term": {"airlsh.tokens.v": "Abcd07"}}],
            "minimum_should_match": 1,
        }
    }
    assert query.body["rescore"]["window_size"] == 100
    rescore = query.body["rescore"]["query"]
    assert (rescore["query_weight"], rescore["rescore_query_weight"]) == (0, 1)
    assert rescore["rescore_query"] == {"knn": {"field": "v", "query_vector": VECTOR, "k": 100, "num_candidates": 100}}
    assert query.body["size"] == 10
    assert (query.path, query.rows_scored(70), query.rows_scored(700)) == ("tables", 70, 100)


@pytest.mark.parametrize(
    ("effort", "shards", "k", "window"),
    [(100, 1, 10, 100), (100, 3, 10, 34), (100, 50, 10, 10), (5, 1, 10, 10), (10_000, 1, 10_000, 10_000), (1, 1, 1, 1)],
)
def test_candidates_are_a_total_and_the_window_is_a_shards(effort: int, shards: int, k: int, window: int) -> None:
    query = TABLES.by_vector(VECTOR, ["Abcd01"], k=k, effort=TABLES.effort(effort), shards=shards)
    assert query.body["rescore"]["window_size"] == window
    assert query.body["rescore"]["query"]["rescore_query"]["knn"]["k"] == window
    assert query.body["size"] == k <= window
    assert query.rows_scored(ROWS) == window * shards
    assert query.pooled(100).body["size"] == min(100, window)


def test_a_filter_does_not_score() -> None:
    body = TABLES.by_vector(VECTOR, ["Abcd01"], k=1, effort=TABLES.effort(1), shards=1, query_filter=FILTER).body
    assert body["query"]["bool"]["filter"] == [FILTER]
    assert body["query"]["bool"]["minimum_should_match"] == 1  # A filter alone would make the tokens optional.


def test_by_id_words_rank_as_more_like_this_does() -> None:
    query = TABLES.by_id("airlsh-docs-b1", "r1", k=5, effort=TABLES.effort(70), shards=2)
    alike = query.body["query"]["more_like_this"]
    assert (alike["fields"], alike["like"]) == (["airlsh.tokens.v"], [{"_index": "airlsh-docs-b1", "_id": "r1"}])
    assert {alike[each] for each in ("min_term_freq", "min_doc_freq", "minimum_should_match")} == {1}
    assert alike["max_query_terms"] >= MAX_PARTS
    knn = query.body["rescore"]["query"]["rescore_query"]["knn"]
    assert knn["query_vector_builder"] == {"lookup": {"index": "airlsh-docs-b1", "id": "r1", "path": "v"}}
    assert query.body["rescore"]["window_size"] == knn["k"] == 35
    assert (query.path, query.most_scored) == ("tables", 70)


def test_the_effort_is_from_what_is_wanted_to_what_the_server_ranks() -> None:
    assert TABLES.effort_unit == "candidates"
    assert TABLES.effort_range(10, ROWS) == TABLES.measured_range(10, ROWS, 500) == (10, 10_000)
    assert TABLES.effort_range(10, 5) == (5, 5)
    assert TABLES.checked_effort("candidates", 10_000) == TABLES.effort(10_000)
    with pytest.raises(SettingsError, match="from 1 to 10000"):
        TABLES.checked_effort("candidates", 10_001)


@pytest.mark.parametrize(
    ("effort", "rows", "passing", "candidates"),
    [
        (500, ROWS, ROWS, 500),
        (500, ROWS, ROWS // 2, 1_000),
        (500, ROWS, ROWS // 20, 10_000),
        (500, ROWS, ROWS // 21, None),
        (500, 50_000, 25_000, 1_000),
        (5_000, 40_000, 25_000, None),
        (60, ROWS, ROWS // 2, 500),
        (60, ROWS, ROWS // 10, 600),
    ],
)
def test_candidates_under_a_filter_are_more_and_no_fewer_than_the_default(
    effort: int, rows: int, passing: int, candidates: int | None
) -> None:
    scaled = TABLES.effort_under_filter(TABLES.effort(effort), rows=rows, passing=passing, default=500)
    assert scaled == (None if candidates is None else TABLES.effort(candidates))
