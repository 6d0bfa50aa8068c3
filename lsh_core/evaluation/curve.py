"""Chooses the efforts to measure, and the sufficient one. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from lsh_core.search.recall_curve import CurvePoint, RecallCurve

_SKETCH_STEP = 2.0
_STEP = 1.5
_ENOUGH = 0.995
_ALL = 0.9995
"""Recall at which the curve ends: of the lower bound, or of the mean if few queries cannot reach such a bound."""
_REFINEMENTS = 3
_BELOW_GUESS = 8

Measure = Callable[[int], CurvePoint]


def measure_curve(
    sketch: Measure, measure: Measure, *, least: int, most: int, guess: int, target: float, k: int, queries: int
) -> RecallCurve:
    """Sketch rising efforts up to nearly full recall, and measure around the target.

    Parameters
    ----------
    sketch
        Measures one effort with a few queries.
    measure
        Measures one effort with all queries.
    least, most
        Minimum and maximum effort.
    guess
        Default effort of the model; the curve begins at an eighth of it.
    target
        Recall that the lower bound must meet.
    """
    points: dict[int, CurvePoint] = {}
    rising = efforts(max(least, min(guess // _BELOW_GUESS, most)), most, step=_SKETCH_STEP)
    below = least - 1
    for effort in rising:
        points[effort] = sketch(effort)
        if points[effort].recall < target:
            below = effort
        if points[effort].recall >= _ALL or points[effort].recall_low >= max(_ENOUGH, target):
            break
    last = max(points)
    above = None
    for effort in chain([each for each in points if each > below] or [last], rising):
        points[effort] = measure(effort)
        if points[effort].recall_low >= target:
            above = effort
            break
        if points[effort].recall >= _ALL:
            break
        below = effort
    if above is not None:
        points |= _refined(measure, target, below, above)
    curve = RecallCurve(k, queries, target, None, tuple(points[effort] for effort in sorted(points)))
    enough = curve.effort_for(target)
    return replace(curve, effort=curve.points[-1].effort if enough is None else enough)


def efforts(least: int, most: int, *, step: float = _STEP) -> Iterator[int]:
    """Yield efforts from `least` to `most`, each 1.5 or `step` times the previous one."""
    effort = float(least)
    last = 0
    while effort < most:
        if round(effort) > last:
            last = round(effort)
            yield last
        effort *= step
    if most > last:
        yield most


def _refined(measure: Measure, target: float, below: int, above: int) -> dict[int, CurvePoint]:
    """Return the points measured between an effort that misses the target and one that meets it."""
    points = {}
    for _ in range(_REFINEMENTS):
        middle = (below + above) // 2
        if middle <= below:
            break
        points[middle] = measure(middle)
        below, above = (below, middle) if points[middle].recall_low >= target else (middle, above)
    return points
