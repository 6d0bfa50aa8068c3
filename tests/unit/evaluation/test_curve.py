"""Which efforts are measured, and which one is chosen: on made curves, without a server."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from lsh_core.evaluation.curve import RECALLS, EffortRange, measure_curve
from lsh_core.evaluation.measurement import Measured, lower_bound
from lsh_core.evaluation.query_set import default_queries
from lsh_core.retrieval.effort_scale import Reaches, WholeNumbers
from lsh_core.search.recall_curve import CurvePoint, RecallCurve
from lsh_core.settings import queries_to_show


def point(effort: float, recall: float, low: float | None = None, queries: int = 2_000) -> CurvePoint:
    return CurvePoint(effort, recall, recall if low is None else low, 0.5, 10.0 * effort, queries)


class Build:
    """A build with a known recall; the bound is below the mean as for queries that are drawn."""

    def __init__(self, recall: Callable[[float], float], queries: int = 2_000, few: int = 500) -> None:
        self.recall, self.queries, self.few = recall, queries, few
        self.sketched: list[float] = []
        self.measured: list[float] = []

    def _point(self, effort: float, queries: int) -> CurvePoint:
        found = self.recall(effort)
        spread = math.sqrt(max(found * (1 - found), 1 / queries) / 3)
        return point(effort, found, found - 1.645 * spread / math.sqrt(queries), queries)

    def sketch(self, effort: float) -> CurvePoint:
        self.sketched.append(effort)
        return self._point(effort, self.few)

    def measure(self, effort: float) -> CurvePoint:
        self.measured.append(effort)
        return self._point(effort, self.queries)

    def curve(self, target: float = 0.95, **given: Any) -> RecallCurve:
        efforts = {name: given.pop(name) for name in ("scale", "least", "most") if name in given}
        allowed = EffortRange(**{"scale": WholeNumbers(), "least": 1, "most": 4_000, **efforts})
        settings = {"guess": 80, "k": 10, "queries": self.queries, **given}
        return measure_curve(self.sketch, self.measure, allowed, target=target, **settings)

    def needed(self, recall: float, efforts: Iterable[float]) -> float:
        """The smallest effort whose bound meets a recall."""
        return next(effort for effort in efforts if self._point(effort, self.queries).recall_low >= recall)


def saturating(half: float) -> Callable[[float], float]:
    return lambda effort: 1 - 0.5 ** (effort / half)


def by_reach(effort: float) -> float:
    """As 1,000,000 SIFT rows: half at .9, .95 at 1.05, .99 at 1.1."""
    return 1 - 0.5 * 10 ** (-max(0.0, effort - 0.9) / 0.125)


@pytest.mark.parametrize("target", [0.6, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("half", [3, 40, 300])
def test_the_smallest_effort_that_is_enough_is_chosen_closely(target: float, half: float) -> None:
    build = Build(saturating(half))
    curve = build.curve(target)
    for recall in {target, *RECALLS}:
        enough = curve.effort_for(recall)
        assert enough is not None
        needed = build.needed(recall, range(1, 4_000))
        assert needed <= enough <= needed * 1.05 + 1
    assert curve.effort == curve.effort_for(target)
    assert [each.effort for each in curve.points] == sorted({each.effort for each in curve.points})
    assert len(build.sketched) <= 10
    assert len(build.measured) <= (12 if half > 3 else 20)  # Few lists are tried one by one.


@pytest.mark.parametrize("guess", [0.8, 1.05, 1.3])
def test_a_reach_is_chosen_closely(guess: float) -> None:
    build = Build(by_reach)
    curve = build.curve(scale=Reaches(), least=0.7, most=100.0, guess=guess)
    for recall in RECALLS:
        enough = curve.effort_for(recall)
        assert enough is not None
        needed = build.needed(recall, np.arange(0.7, 2, 0.001))
        assert needed <= enough + 1e-9 <= needed + 0.007
    assert len(build.sketched) <= 14
    assert len(build.measured) <= 8


def test_what_is_never_enough_is_done_at_its_greatest() -> None:
    build = Build(lambda _: 0.4)
    curve = build.curve(least=10, most=500, guess=100)
    assert curve.effort == 500
    assert curve.effort_for(0.95) is None
    assert curve.effort_for(0.35) is not None
    assert len(build.measured) <= 4 * 4


def test_less_than_was_guessed_may_be_enough() -> None:
    build = Build(lambda _: 1.0)
    curve = build.curve(most=500, guess=100)
    assert curve.effort == 1
    assert build.measured == [1]
    assert build.curve(most=3, guess=900).effort == 1


def test_with_few_queries_the_curve_ends_where_nothing_is_missed() -> None:
    build = Build(lambda effort: min(1.0, effort / 100), queries=20, few=20)
    curve = build.curve(most=5_000)
    assert curve.effort is not None
    assert 90 <= curve.effort <= 160
    assert max(build.sketched + build.measured) <= 160


def test_what_a_sketch_holds_to_be_too_little_is_measured_with_all_before_it_is_said() -> None:
    build = Build(lambda _: 0.97)
    curve = measure_curve(
        lambda effort: point(effort, 0.94, 0.93, 500),
        build.measure,
        EffortRange(WholeNumbers(), 10, 500),
        guess=100,
        target=0.95,
        k=10,
        queries=2_000,
    )
    assert curve.effort_for(0.95) is not None


def test_a_sketch_tells_where_to_measure_and_the_bound_of_all_queries_decides() -> None:
    """A few queries say that 40 is enough; all of them, that it is not."""
    build = Build(lambda effort: 0.97 if effort >= 100 else 0.94)
    curve = measure_curve(
        lambda effort: point(effort, 0.999 if effort >= 40 else 0.5, 0.998 if effort >= 40 else 0.4, 500),
        build.measure,
        EffortRange(WholeNumbers(), 1, 5_000),
        guess=80,
        target=0.95,
        k=10,
        queries=2_000,
    )
    at = {each.effort: each for each in curve.points}
    assert 100 <= min(effort for effort in build.measured if at[effort].recall_low >= 0.95) <= 160
    assert min(build.measured) >= 20  # What the few rule out is not measured with all.


def test_no_effort_is_measured_twice_for_any_curve() -> None:
    for half in (1, 7, 90, 2_000, 100_000):
        build = Build(saturating(half))
        build.curve()
        assert len(set(build.measured)) == len(build.measured)
        assert len(set(build.sketched)) == len(build.sketched)


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
