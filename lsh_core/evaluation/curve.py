"""Chooses the efforts to measure, and the sufficient one. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lsh_core.retrieval.effort_scale import EffortScale
from lsh_core.search.recall_curve import CurvePoint, RecallCurve

RECALLS = (0.9, 0.95, 0.99, 0.995)
"""Recalls that users ask for. The curve is close around them."""
_SKETCH_STEP = 2.0
_ALL = 0.9995
"""Recall at which the curve ends: of the lower bound, or of the mean if few queries cannot reach such a bound."""
_TRIES = 4
"""Efforts that are measured with all queries for one recall."""
_CLOSE = 0.1
"""An effort is close enough if its lower bound is above a recall by this share of the allowed misses."""
_AIM = 0.05

Measure = Callable[[float], CurvePoint]


@dataclass(frozen=True)
class EffortRange:
    """Efforts that may be measured: their scale, the minimum and the maximum."""

    scale: EffortScale
    least: float
    most: float


def measure_curve(
    sketch: Measure,
    measure: Measure,
    allowed: EffortRange,
    *,
    guess: float,
    target: float,
    k: int,
    queries: int,
    recalls: Sequence[float] = RECALLS,
) -> RecallCurve:
    """Sketch efforts up to nearly full recall, and close in on `recalls` and the target.

    Parameters
    ----------
    sketch
        Measures one effort with a few queries.
    measure
        Measures one effort with all queries.
    guess
        Default effort of the model, where the sketch begins.
    target
        Recall that the lower bound must meet.
    queries
        Number of all queries.
    recalls
        Recalls that the smallest sufficient effort is sought for, beside the target.
    """
    points = _sketched(sketch, allowed, guess, max(target, RECALLS[-1]))
    measured: dict[float, CurvePoint] = {}
    for recall in sorted({*recalls, target}):
        for _ in range(_TRIES):
            effort = _next_effort(points, measured, recall, allowed, queries)
            if effort is None:
                break
            points[effort] = measured[effort] = measure(effort)
    curve = RecallCurve(k, queries, target, None, tuple(points[effort] for effort in sorted(points)))
    enough = curve.effort_for(target)
    return replace(curve, effort=curve.points[-1].effort if enough is None else enough)


def _sketched(sketch: Measure, allowed: EffortRange, guess: float, enough: float) -> dict[float, CurvePoint]:
    """Measure efforts around the guess, from less than the least of `RECALLS` to `enough`."""
    scale, least, most = allowed.scale, allowed.least, allowed.most
    start = min(max(guess, least), most)
    points = {start: sketch(start)}
    below = start
    while points[below].recall >= RECALLS[0] and below > least:
        below = max(least, scale.next(below, 1 / _SKETCH_STEP))
        points[below] = sketch(below)
    above = start
    while points[above].recall < _ALL and points[above].recall_low < enough and above < most:
        above = min(most, scale.next(above, _SKETCH_STEP))
        points[above] = sketch(above)
    return points


def _next_effort(
    points: dict[float, CurvePoint],
    measured: dict[float, CurvePoint],
    recall: float,
    allowed: EffortRange,
    queries: int,
) -> float | None:
    """Return the next effort to measure for a recall; None: the smallest sufficient one is known closely.

    Parameters
    ----------
    points
        All measured points by effort, those of few queries too.
    measured
        Points of all queries.
    """
    scale, least, most = allowed.scale, allowed.least, allowed.most
    above = min((effort for effort, point in measured.items() if point.recall_low >= recall), default=None)
    below = max((e for e in measured if measured[e].recall_low < recall and (above is None or e < above)), default=None)
    if above is not None and measured[above].recall_low <= recall + _CLOSE * (1 - recall):
        return None
    if above == least or (below is not None and measured[below].recall >= _ALL):
        return None
    low, high = least if below is None else below, most if above is None else above
    if above is not None:  # Efforts that too little was found with by few queries are not tried.
        low = max([low, *(effort for effort, point in points.items() if effort < above and point.recall < recall)])
    aim = _position_of(points, recall + _AIM * (1 - recall), scale, queries)
    wanted = scale.next(max(points), _SKETCH_STEP) if aim is None else max(scale.at(aim), low)
    wanted = min(wanted, high)
    if wanted not in measured:
        return wanted
    return scale.between(low, high) if low < high else None


def _position_of(points: dict[float, CurvePoint], recall: float, scale: EffortScale, queries: int) -> float | None:
    """Return where the lower bound of all queries is expected to reach a recall; None: beyond all points.

    Between two points the logarithm of the misses falls evenly.
    """
    places: list[tuple[float, float]] = []
    for effort in sorted(points):
        misses = -math.log(max(1 - _expected_bound(points[effort], queries), 1e-6))
        places.append((scale.position(effort), max(misses, places[-1][1] if places else misses)))
    wanted = -math.log(1 - recall)
    if places[0][1] >= wanted:
        return places[0][0]
    for (left, low), (right, high) in pairwise(places):
        if high >= wanted:
            return left + (right - left) * (wanted - low) / (high - low)
    return None


def _expected_bound(point: CurvePoint, queries: int) -> float:
    """Return the lower bound that all queries would have with the same recall."""
    return point.recall - (point.recall - point.recall_low) * math.sqrt(point.queries / max(queries, point.queries))
