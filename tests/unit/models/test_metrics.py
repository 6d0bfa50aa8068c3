from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError, VectorError
from lsh_core.models.metrics import (
    SIMILARITY,
    check_metric,
    count_longer,
    distance_from_score,
    longest_row,
    prepare_queries,
    prepare_rows,
)

PAIR = np.array([[3, 4], [0, 2]], dtype=np.float32)


def test_every_metric_has_a_similarity_that_keeps_zero_distance():
    assert SIMILARITY == {"l2": "l2_norm", "cosine": "cosine", "dot": "max_inner_product"}
    for metric in SIMILARITY:
        assert check_metric(metric) == metric
        assert distance_from_score(np.array([1.0]), metric) == 0.0


def test_unknown_metrics_are_refused():
    with pytest.raises(SettingsError, match="l2, cosine, dot"):
        check_metric("jaccard")


@pytest.mark.parametrize("prepare", [prepare_rows, prepare_queries])
def test_prepare_by_angle_and_by_distance(prepare):
    assert prepare(PAIR, "l2") is PAIR
    unit = prepare(PAIR, "cosine")
    assert unit.dtype == np.float32
    assert unit == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))


def test_under_dot_rows_have_one_length():
    rows = prepare_rows(PAIR, "dot", 13.0)
    assert (rows.dtype, rows.flags.c_contiguous) == (np.float32, True)
    assert (rows[:, :2] == PAIR).all()
    assert rows[:, 2] == pytest.approx([12.0, np.sqrt(165)])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(13.0)


def test_under_dot_queries_have_unit_length_and_no_component_more():
    queries = prepare_queries(np.array([[3, 4], [0, 0], [6e-16, 8e-16]], dtype=np.float32), "dot")
    assert queries.dtype == np.float32
    assert queries == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 0], [0.6, 0.8, 0]]))


def test_the_largest_products_are_at_the_smallest_angles():
    generator = np.random.default_rng(0)
    vectors = (generator.normal(size=(300, 7)) * generator.lognormal(0, 1, (300, 1))).astype(np.float32)
    query = generator.normal(size=(1, 7)).astype(np.float32)
    rows, asked = prepare_rows(vectors, "dot", longest_row(vectors)), prepare_queries(query, "dot")
    angles = (rows @ asked[0]) / np.linalg.norm(rows, axis=1)
    assert (np.argsort(-angles) == np.argsort(-(vectors @ query[0]))).all()


def test_rows_longer_than_the_longest_are_clamped_and_counted():
    assert longest_row(PAIR) == 5.0
    assert prepare_rows(PAIR, "dot", 3.0)[:, 2] == pytest.approx([0, np.sqrt(5)])
    assert [count_longer(PAIR, longest) for longest in (1.9, 2.0, 4.9, 5.0, 6.0)] == [2, 1, 1, 0, 0]
    assert count_longer(PAIR[:0], 1.0) == 0


def test_lengths_that_float32_can_square_are_kept():
    small, large = np.full((1, 4), 1e-18, dtype=np.float32), np.full((1, 4), 9e18, dtype=np.float32)
    for metric, rest in (("cosine", ()), ("dot", (0,))):
        for vectors in (small, large):
            assert prepare_queries(vectors, metric)[0] == pytest.approx([0.5] * 4 + [*rest])
    for metric in SIMILARITY:
        for prepare in (prepare_rows, prepare_queries):
            with pytest.raises(VectorError, match="vector 0"):
                prepare(np.full((1, 4), 1e20, dtype=np.float32), metric)
    with pytest.raises(VectorError, match="vector 1"):
        longest_row(np.array([[1], [np.nan]], dtype=np.float32))


def test_scores_turn_into_distances():
    assert distance_from_score(np.array([1 / (1 + 9.0), 0.5]), "l2") == pytest.approx([3.0, 1.0])
    assert distance_from_score(np.array([(1 + 0.25) / 2, 0.0]), "cosine") == pytest.approx([0.75, 2.0])
    scores = np.array([8.5, 1.0, 1 / (1 + 0.25), 1 / (1 + 9.0)])
    assert distance_from_score(scores, "dot") == pytest.approx([-7.5, 0.0, 0.25, 9.0])


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_scores_a_rounding_above_one_are_zero_distance(metric):
    assert distance_from_score(np.array([np.float32(1.0000001)]), metric) == 0.0
