"""Recall judges answers by name and, where distances are given, by distance."""

from __future__ import annotations

import numpy as np
import pytest

from lsh_core.evaluation.recall import recall_at_k
from lsh_core.metrics import metric_named


def test_by_name() -> None:
    exact = [["a", "b", "c", "d"], ["a", "b", "c", "d"], ["a", "b", "c", "d"]]
    found = [["d", "c", "b", "a"], ["a", "x", "y", "c"], []]
    assert recall_at_k(found, exact).tolist() == [1.0, 0.5, 0.0]


def test_only_the_first_k_answers_count_and_each_once() -> None:
    assert recall_at_k([["x", "y", "a", "b"]], [["a", "b"]]).tolist() == [0.0]
    assert recall_at_k([["a", "a", "a"]], [["a", "b", "c"]]).tolist() == [pytest.approx(1 / 3)]


def test_ties_are_judged_by_distance() -> None:
    exact = np.array([[0, 1, 2]])
    found = np.array([[0, 9, 8]])
    exact_distances = np.array([[0.1, 0.2, 0.3]], np.float32)
    found_distances = np.array([[0.1, 0.3, 0.31]], np.float32)
    recall = recall_at_k(found, exact, found_distances=found_distances, exact_distances=exact_distances)
    assert recall.tolist() == [pytest.approx(2 / 3)]


def test_repeated_answers_at_a_tie_count_once() -> None:
    recall = recall_at_k([[5, 5, 5]], [[0, 1, 2]], found_distances=[[1, 1, 1]], exact_distances=[[1, 1, 1]])
    assert recall.tolist() == [pytest.approx(1 / 3)]


def test_rounding_within_the_tolerance_is_a_tie_also_for_negative_distances() -> None:
    for distance, near, far in ((2.0, 2.00001, 2.01), (-2.0, -1.99999, -1.99)):
        options = {"exact_distances": [[distance]], "tolerance": 1e-5}
        assert recall_at_k([[7]], [[1]], found_distances=[[near]], **options).tolist() == [1.0]
        assert recall_at_k([[7]], [[1]], found_distances=[[far]], **options).tolist() == [0.0]


def test_padding_is_not_an_answer() -> None:
    options = {"found_distances": [[0.5, np.inf, np.nan]], "exact_distances": [[0.5, 0.6, 0.7]]}
    assert recall_at_k([[0, -1, -1]], [[0, 1, 2]], **options).tolist() == [pytest.approx(1 / 3)]


def test_no_queries() -> None:
    assert recall_at_k([], []).shape == (0,)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="2 queries were answered, 1 have"):
        recall_at_k([[1], [2]], [[1]])
    with pytest.raises(ValueError, match="needed together"):
        recall_at_k([[1]], [[1]], found_distances=[[0.5]])
    with pytest.raises(ValueError, match="query 0 has no exact neighbours"):
        recall_at_k([[1]], [[]])


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 100.0])
def test_what_a_score_cannot_tell_apart_is_a_tie_and_little_more(metric: str, scale: float) -> None:
    distances = np.random.default_rng(0).uniform(0.1, 1, 1_000) * (scale if metric == "l2" else min(scale, 1.0))
    scores = 1 / (1 + distances**2) if metric == "l2" else (2 - distances) / 2
    told = metric_named(metric).distance_from_score(scores.astype(np.float32))
    limits = metric_named(metric).score_ties(distances)
    assert (told <= limits).all()
    if scale >= 1:
        assert (limits <= distances * 1.01 + 1e-4).all()
