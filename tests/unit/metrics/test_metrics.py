"""Built-in metrics."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lsh_core.errors import SettingsError, VectorError
from lsh_core.metrics import metric_named, metric_names
from lsh_core.metrics.vectors import count_beyond, max_norm

PAIR = np.array([[3, 4], [0, 2]], dtype=np.float32)
L2, COSINE, DOT = (metric_named(name) for name in ("l2", "cosine", "dot"))
METRICS = [L2, COSINE, DOT]


def test_names() -> None:
    assert metric_names() == ("l2", "cosine", "dot")
    assert [metric.name for metric in METRICS] == ["l2", "cosine", "dot"]
    assert metric_named("dot") is DOT
    with pytest.raises(SettingsError, match="metric='jaccard': must be one of l2, cosine, dot"):
        metric_named("jaccard")


def test_names_are_listed_without_numpy() -> None:
    code = "import sys; from lsh_core.metrics import metric_names; metric_names(); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_every_metric_has_a_similarity_that_keeps_zero_distance() -> None:
    assert [metric.similarity for metric in METRICS] == ["l2_norm", "cosine", "max_inner_product"]
    for metric in METRICS:
        assert metric.distance_from_score(np.array([1.0])) == 0.0
        assert metric.server_scores


@pytest.mark.parametrize("prepare", ["prepare_rows", "prepare_queries"])
def test_prepare_by_angle_and_by_distance(prepare: str) -> None:
    assert getattr(L2, prepare)(PAIR) is PAIR
    unit = getattr(COSINE, prepare)(PAIR)
    assert unit.dtype == np.float32
    assert unit == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))


def test_under_dot_rows_have_one_length() -> None:
    rows = DOT.prepare_rows(PAIR, 13.0)
    assert (rows.dtype, rows.flags.c_contiguous) == (np.float32, True)
    assert (rows[:, :2] == PAIR).all()
    assert rows[:, 2] == pytest.approx([12.0, np.sqrt(165)])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(13.0)


def test_under_dot_queries_have_unit_length_and_no_component_more() -> None:
    queries = DOT.prepare_queries(np.array([[3, 4], [0, 0], [6e-16, 8e-16]], dtype=np.float32))
    assert queries.dtype == np.float32
    assert queries == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 0], [0.6, 0.8, 0]]))


def test_the_largest_products_are_at_the_smallest_angles() -> None:
    generator = np.random.default_rng(0)
    vectors = (generator.normal(size=(300, 7)) * generator.lognormal(0, 1, (300, 1))).astype(np.float32)
    query = generator.normal(size=(1, 7)).astype(np.float32)
    rows, asked = DOT.prepare_rows(vectors, DOT.trained_norm(vectors)), DOT.prepare_queries(query)
    angles = (rows @ asked[0]) / np.linalg.norm(rows, axis=1)
    assert (np.argsort(-angles) == np.argsort(-(vectors @ query[0]))).all()


def test_rows_beyond_the_trained_norm_are_clamped_and_counted() -> None:
    assert [metric.trained_norm(PAIR) for metric in METRICS] == [None, None, 5.0]
    assert DOT.prepare_rows(PAIR, 3.0)[:, 2] == pytest.approx([0, np.sqrt(5)])
    assert [DOT.count_beyond(PAIR, norm) for norm in (1.9, 2.0, 4.9, 5.0, 6.0)] == [2, 1, 1, 0, 0]
    assert DOT.count_beyond(PAIR[:0], 1.0) == count_beyond(PAIR[:0], 1.0) == 0
    assert L2.count_beyond(PAIR, 1.0) == 0


def test_lengths_that_float32_can_square_are_kept() -> None:
    small, large = np.full((1, 4), 1e-18, dtype=np.float32), np.full((1, 4), 9e18, dtype=np.float32)
    for metric, rest in ((COSINE, ()), (DOT, (0,))):
        for vectors in (small, large):
            assert metric.prepare_queries(vectors)[0] == pytest.approx([0.5] * 4 + [*rest])
    for metric in METRICS:
        for prepare in (metric.prepare_rows, metric.prepare_queries):
            with pytest.raises(VectorError, match="vector 0"):
                prepare(np.full((1, 4), 1e20, dtype=np.float32))
    with pytest.raises(VectorError, match="vector 1"):
        max_norm(np.array([[1], [np.nan]], dtype=np.float32))


def test_only_cosine_refuses_vectors_without_a_direction() -> None:
    squared = np.array([0.0, 1e-39, 1.0], dtype=np.float32)
    assert [metric.usable(squared).tolist() for metric in METRICS] == [[True] * 3, [False, False, True], [True] * 3]


def test_scores_turn_into_distances() -> None:
    assert L2.distance_from_score(np.array([1 / (1 + 9.0), 0.5])) == pytest.approx([3.0, 1.0])
    assert COSINE.distance_from_score(np.array([(1 + 0.25) / 2, 0.0])) == pytest.approx([0.75, 2.0])
    scores = np.array([8.5, 1.0, 1 / (1 + 0.25), 1 / (1 + 9.0)])
    assert DOT.distance_from_score(scores) == pytest.approx([-7.5, 0.0, 0.25, 9.0])


@pytest.mark.parametrize("metric", [L2, COSINE])
def test_scores_a_rounding_above_one_are_zero_distance(metric: object) -> None:
    assert metric.distance_from_score(np.array([np.float32(1.0000001)])) == 0.0  # type: ignore[attr-defined]


def test_the_server_scores_the_rows_that_pass_a_filter() -> None:
    target = {"query_vector": [1.0, 2.0]}
    knn = {"field": "v", "k": 3, "num_candidates": 3, "query_vector": [1.0, 2.0]}
    assert DOT.scored_query("v", target, k=3) == {"knn": knn}
    passing = {"term": {"a": 1}}
    assert DOT.scored_query("v", target, k=3, filter=passing) == {"knn": knn | {"filter": passing}}


def test_stored_numbers_may_change_under_cosine_alone() -> None:
    assert [metric.stored_error(PAIR[0]) for metric in METRICS] == pytest.approx([0, 5e-6, 0])


def test_exact_measures_grow_with_the_distance() -> None:
    rows, queries = np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    for metric, expected in ((L2, np.sqrt(13)), (COSINE, 0.2), (DOT, -8.0)):
        prepared = [metric.prepare_exact(each, np.linalg.norm(each, axis=1)) for each in (rows.copy(), queries)]
        assert metric.distances(metric.measure(*prepared)) == pytest.approx([expected])
