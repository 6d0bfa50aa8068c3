"""The recall of a build by effort: which efforts are measured, and which of them is enough. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lsh_core.search.recall_curve import CurvePoint, RecallCurve

_STEP = 1.5
_ENOUGH = 0.995
"""Where the curve ends: more effort finds next to nothing more."""
_REFINEMENTS = 3

Measure = Callable[[int], CurvePoint]


def measure_curve(measure: Measure, *, least: int, most: int, target: float, k: int, queries: int) -> RecallCurve:
    """Measure rising efforts until nearly all is found, and more closely where the target is met first.

    Parameters
    ----------
    measure
        Measures one effort.
    least, most
        The smallest and the greatest effort there is.
    target
        Recall that the lower bound has to meet.
    """
    points: list[CurvePoint] = []
    for effort in efforts(least, most):
        points.append(measure(effort))
        if points[-1].recall_low >= max(_ENOUGH, target):
            break
    points = sorted([*points, *_refined(points, measure, target)], key=lambda point: point.effort)
    curve = RecallCurve(k, queries, target, None, tuple(points))
    enough = curve.effort_for(target)
    return RecallCurve(k, queries, target, points[-1].effort if enough is None else enough, tuple(points))


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


def _refined(points: Iterable[CurvePoint], measure: Measure, target: float) -> Iterator[CurvePoint]:
    """Yield points between the last effort that misses the target and the first that meets it."""
    below = 0
    for point in points:
        if point.recall_low >= target:
            above = point.effort
            break
        below = point.effort
    else:
        return
    for _ in range(_REFINEMENTS if below else 0):
        middle = (below + above) // 2
        if middle in (below, above):
            return
        point = measure(middle)
        yield point
        below, above = (below, middle) if point.recall_low >= target else (middle, above)
