"""The formulas of the two fusions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lsh_core.search.fusion import nearness, reciprocal_ranks, saturated, weighted
from lsh_core.search.results import Neighbour


def row(identity: str, distance: float, match_score: float = 0.0) -> Neighbour:
    return Neighbour(0, identity, distance, -1.0, {"of": identity}, match_score)


NEAR = [row("a", 1.0), row("b", 2.0, 3.0), row("c", 3.0)]
MATCHING = [row("d", 5.0, 9.0), row("b", 2.0, 3.0)]


def scores(ranking: list[Neighbour]) -> dict[str, float]:
    return {each.id: each.score for each in ranking}


def test_words_are_saturated_and_half_in_the_middle() -> None:
    np.testing.assert_allclose(saturated(np.array([0.0, 7.0, 14.0, 1e6]), middle=7.0), [0, 1 / 2, 2 / 3, 1], atol=1e-5)


def test_the_nearest_is_one_and_the_middle_half() -> None:
    np.testing.assert_allclose(nearness(np.array([2.0, 3.0, 4.0, 8.0]), middle=4.0), [1, 2 / 3, 1 / 2, 1 / 4])


def test_neither_the_unit_nor_the_origin_of_distances_counts() -> None:
    """So that it is sound under l2, whose distances have a unit, and under dot, where they may be negative."""
    distances = np.array([0.5, 1.0, 2.0])
    for other in (distances * 1_000, distances - 70):
        np.testing.assert_allclose(nearness(other, middle=other[1]), nearness(distances, middle=1.0))


def test_where_the_middle_is_as_near_as_the_nearest() -> None:
    np.testing.assert_array_equal(nearness(np.array([1.0, 1.0, 5.0]), middle=1.0), [1, 1, 0])
    assert nearness(np.array([]), middle=0.0).tolist() == []


def test_the_weighted_sum() -> None:
    """c = 3, that of b, the second of two by words; n = 1, r = 2 - 1."""
    ranking = weighted(NEAR, MATCHING, 0.25)
    assert scores(ranking) == pytest.approx(
        {"a": 0.75, "b": 0.25 / 2 + 0.75 / 2, "c": 0.75 / 3, "d": 0.25 * 9 / 12 + 0.75 / 5}
    )
    assert [(each.rank, each.id) for each in ranking] == [(1, "a"), (2, "b"), (3, "d"), (4, "c")]
    assert (ranking[2].distance, ranking[2].match_score, ranking[2].fields) == (5.0, 9.0, {"of": "d"})


def test_the_ends_are_the_rankings_themselves() -> None:
    assert [each.id for each in weighted(NEAR, MATCHING, 0)] == ["a", "b", "c"]
    assert [each.id for each in weighted(NEAR, MATCHING, 1)] == ["d", "b"]
    assert scores(weighted([], MATCHING, 1)) == {"d": 0.75, "b": 0.5}


def test_a_row_that_only_the_words_led_to_may_be_the_nearest() -> None:
    ranking = weighted(NEAR, [row("e", 0.5, 2.0)], 0.5)
    assert scores(ranking)["e"] == 0.5 * 0.5 + 0.5
    assert scores(ranking)["a"] == pytest.approx(0.5 * 1.5 / 2.0)


def test_one_ranking_may_be_empty() -> None:
    assert [each.id for each in weighted([row("a", 1.0), row("c", 3.0)], [], 0.5)] == ["a", "c"]
    assert [each.id for each in weighted([], MATCHING, 0.5)] == ["b", "d"]
    assert weighted([], [], 0.5) == reciprocal_ranks([], []) == []


def test_reciprocal_ranks() -> None:
    ranking = reciprocal_ranks(NEAR, MATCHING)
    assert scores(ranking) == pytest.approx({"a": 1 / 61, "b": 2 / 62, "c": 1 / 63, "d": 1 / 61})
    assert [(each.rank, each.id) for each in ranking] == [(1, "b"), (2, "a"), (3, "d"), (4, "c")]
