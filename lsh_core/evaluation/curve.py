"""The recall of a build by effort: which efforts are measured, and which of them is enough. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lsh_core.search.recall_curve import CurvePoint, RecallCurve

_STEP = 1.5
_ENOUGH = 0.995
"""Where the curve ends: more effort finds next to nothing more."""
_REFINEMENTS = 3
_BELOW_GUESS = 8

Measure = Callable[[int], CurvePoint]


def measure_curve(
    measure: Measure, *, least: int, most: int, guess: int, target: float, k: int, queries: int
) -> RecallCurve:
    """Measure rising efforts until nearly all is found, and more closely where the target is met first.

    Parameters
    ----------
    measure
        Measures one effort.
    least, most
        The smallest and the greatest effort there is.
    guess
        What the model holds to be enough: the curve begins at an eighth of it.
    target
        Recall that the lower bound has to meet.
    """
    points: list[CurvePoint] = []
    for effort in efforts(max(least, min(guess // _BELOW_GUESS, most)), most):
        points.append(measure(effort))
        if points[-1].recall_low >= max(_ENOUGH, target):
            break
    points = sorted([*points, *_refined(points, measure, target, least)], key=lambda point: point.effort)
    curve = RecallCurve(k, queries, target, None, tuple(points))
    enough = curve.effort_for(target)
    return replace(curve, effort=points[-1].effort if enough is None else enough)


def efforts(least: int, most: int) -> Iterator[int]:
    """Yield efforts that rise by half each time, from `least` to `most`, both included."""
    effort = float(least)
    last = 0
    while effort < most:
        if round(effort) > last:
            last = round(effort)
            yield last
        effort *= _STEP
    if most > last:
        yield most


def _refined(points: Sequence[CurvePoint], measure: Measure, target: float, least: int) -> Iterator[CurvePoint]:
    """Yield points between the last effort that misses the target and the first that meets it."""
    above = next((point.effort for point in points if point.recall_low >= target), None)
    if above is None:
        return
    below = max((point.effort for point in points if point.effort < above), default=least - 1)
    for _ in range(_REFINEMENTS):
        middle = (below + above) // 2
        if middle <= below:
            return
        point = measure(middle)
        yield point
        below, above = (below, middle) if point.recall_low >= target else (middle, above)
