"""Which efforts are measured, and which one is chosen: on made curves, without a server."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.evaluation.curve import efforts, measure_curve
from lsh_core.evaluation.measurement import Measured, lower_bound
from lsh_core.evaluation.query_set import default_queries
from lsh_core.search.recall_curve import CurvePoint, RecallCurve
from lsh_core.settings import queries_to_show


def point(effort: int, recall: float, low: float | None = None) -> CurvePoint:
    return CurvePoint(effort, recall, recall if low is None else low, 0.5, 10.0 * effort, 200)


def saturating(effort: int, half: float = 40) -> CurvePoint:
    """A build that finds half of the neighbours at effort `half`, and nearly all at many times that."""
    return point(effort, 1 - 0.5 ** (effort / half))


@given(st.integers(1, 50), st.integers(0, 20_000))
def test_efforts_rise_to_the_greatest(least: int, more: int) -> None:
    found = list(efforts(least, least + more))
    assert (found[0], found[-1]) == (least, least + more)
    assert all(one < other <= max(one + 1, math.ceil(1.51 * one)) for one, other in pairwise(found))
    assert len(found) <= 2 + math.log(1 + more / least, 1.5) + 2


@pytest.mark.parametrize("target", [0.6, 0.9, 0.95, 0.99])
def test_the_smallest_effort_that_is_enough_is_chosen_closely(target: float) -> None:
    curve = measure_curve(saturating, saturating, least=1, most=4_000, guess=80, target=target, k=10, queries=200)
    needed = math.ceil(40 * math.log(1 - target, 0.5))
    assert curve.effort is not None
    assert needed <= curve.effort <= needed * 1.14 + 1
    assert [each.effort for each in curve.points] == sorted({each.effort for each in curve.points})
    assert sum(each.recall_low >= 0.995 for each in curve.points) <= 1 + 3 * (target > 0.98)  # It ends there.
    assert curve.points[-1].recall_low >= 0.995
    assert len(curve.points) < 25


def test_what_is_never_enough_is_done_at_its_greatest() -> None:
    def measure(effort: int) -> CurvePoint:
        return point(effort, 0.4)

    curve = measure_curve(measure, measure, least=10, most=500, guess=100, target=0.95, k=10, queries=9)
    assert curve.effort == 500
    assert curve.effort_for(0.95) is None
    assert curve.effort_for(0.4) == 12


def test_less_than_was_guessed_may_be_enough() -> None:
    def measure(effort: int) -> CurvePoint:
        return point(effort, 1.0)

    curve = measure_curve(measure, measure, least=1, most=500, guess=100, target=0.95, k=10, queries=9)
    assert [each.effort for each in curve.points] == [1, 3, 6, 12]
    assert curve.effort == 1
    lists = measure_curve(measure, measure, least=1, most=3, guess=900, target=0.9, k=10, queries=9)
    assert [each.effort for each in lists.points] == [1, 3]


def test_with_few_queries_the_curve_ends_where_nothing_is_missed() -> None:
    asked = []

    def sketch(effort: int) -> CurvePoint:
        asked.append(effort)
        return point(effort, min(1.0, effort / 100), 0.99 * min(1.0, effort / 100))

    curve = measure_curve(sketch, sketch, least=1, most=5_000, guess=80, target=0.9, k=10, queries=20)
    assert 100 <= max(asked) <= 160
    assert curve.effort_for(0.99) == 100


def test_what_no_bound_can_show_ends_where_nothing_is_missed() -> None:
    def measure(effort: int) -> CurvePoint:
        return point(effort, min(1.0, effort / 100), 0.9 * min(1.0, effort / 100))

    curve = measure_curve(measure, measure, least=1, most=16_384, guess=80, target=0.95, k=10, queries=20)
    assert curve.effort is not None
    assert 100 <= curve.effort <= 160


def test_what_a_sketch_holds_to_be_too_little_is_measured_with_all_before_it_is_said() -> None:
    curve = measure_curve(
        lambda effort: point(effort, 0.94),
        lambda effort: point(effort, 0.97, 0.96),
        least=10,
        most=500,
        guess=100,
        target=0.95,
        k=10,
        queries=2_000,
    )
    assert curve.effort_for(0.95) is not None


def test_a_sketch_tells_where_to_measure_and_the_bound_of_all_queries_decides() -> None:
    """A few queries say that 40 is enough; all of them, that it is not."""
    asked = []

    def sketch(effort: int) -> CurvePoint:
        return point(effort, 0.999 if effort >= 40 else 0.5, 0.9 if effort >= 40 else 0.4)

    def measure(effort: int) -> CurvePoint:
        asked.append(effort)
        return point(effort, 0.97, 0.96 if effort >= 100 else 0.93)

    curve = measure_curve(sketch, measure, least=1, most=5_000, guess=80, target=0.95, k=10, queries=9)
    assert curve.effort is not None
    assert 100 <= curve.effort <= 115
    assert min(asked) >= 33  # What the few rule out is not measured with all.
    assert curve.at(curve.effort) == point(curve.effort, 0.97, 0.96)


def test_the_lower_bound_counts_and_not_the_mean() -> None:
    points = (point(1, 0.96, 0.94), point(2, 0.97, 0.96))
    assert RecallCurve(10, 200, 0.95, 2, points).effort_for(0.95) == 2


def test_a_curve_is_stored_whole() -> None:
    curve = RecallCurve(10, 200, 0.95, 2, (point(1, 0.9), point(2, 0.97)))
    assert RecallCurve.from_json(curve.to_json()) == curve
    assert RecallCurve.from_json(None) is None
    assert curve.at(2) == point(2, 0.97)
    assert curve.at(3) is None


def test_a_bound_of_perfect_answers_is_below_one_and_rises_with_their_number() -> None:
    bounds = [lower_bound(np.ones(count)) for count in (5, 20, 200, 2_000)]
    assert bounds == sorted(bounds)
    assert 0.99 < bounds[2] < 0.995 < bounds[3] < 1
    assert lower_bound(np.zeros(5)) == 0.0


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_so_many_queries_show_a_recall_and_hardly_fewer(recall: float) -> None:
    needed = queries_to_show(recall)
    assert lower_bound(np.ones(needed)) >= recall
    assert lower_bound(np.ones(max(1, needed - 2))) < recall
    assert default_queries(10, recall) >= needed


def test_the_bound_holds_as_often_as_it_says() -> None:
    """Of many samples, 95 % have a bound below the mean that they were drawn around."""
    generator = np.random.default_rng(0)
    samples = generator.binomial(10, 0.95, size=(2_000, 400)) / 10
    held = np.mean([lower_bound(sample) <= 0.95 for sample in samples])
    assert 0.93 <= held <= 0.99


def test_the_figures_of_a_point() -> None:
    measured = Measured(np.array([1.0] * 95 + [0.2] * 5), np.arange(100), np.zeros((100, 10)))
    found = measured.point(7)
    assert (found.effort, found.recall, found.recall_p5, found.scored) == (7, 0.96, 0.2, 49.5)
    assert 0.9 < found.recall_low < 0.96
