from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import SettingsError, VectorError
from lsh_core.models.metrics import SIMILARITY, check_metric, distance_from_score, prepare


def test_every_metric_has_a_similarity_that_keeps_zero_distance():
    assert SIMILARITY == {"l2": "l2_norm", "cosine": "cosine"}
    for metric in SIMILARITY:
        assert check_metric(metric) == metric
        assert distance_from_score(np.array([1.0]), metric) == 0.0


def test_unknown_metrics_are_refused():
    with pytest.raises(SettingsError, match="l2, cosine"):
        check_metric("dot")


def test_prepare():
    vectors = np.array([[3, 4], [0, 2]], dtype=np.float32)
    assert prepare(vectors, "l2") is vectors
    unit = prepare(vectors, "cosine")
    assert unit.dtype == np.float32
    assert unit == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))


def test_lengths_that_float32_can_square_are_kept():
    small, large = np.full((1, 4), 1e-18, dtype=np.float32), np.full((1, 4), 9e18, dtype=np.float32)
    assert prepare(small, "cosine") == pytest.approx(np.full((1, 4), 0.5))
    assert prepare(large, "cosine") == pytest.approx(np.full((1, 4), 0.5))
    with pytest.raises(VectorError, match="vector 0"):
        prepare(np.full((1, 4), 1e20, dtype=np.float32), "l2")


def test_scores_turn_into_distances():
    assert distance_from_score(np.array([1 / (1 + 9.0), 0.5]), "l2") == pytest.approx([3.0, 1.0])
    assert distance_from_score(np.array([(1 + 0.25) / 2, 0.0]), "cosine") == pytest.approx([0.75, 2.0])


def test_scores_a_rounding_above_one_are_zero_distance():
    for metric in SIMILARITY:
        assert distance_from_score(np.array([np.float32(1.0000001)]), metric) == 0.0
