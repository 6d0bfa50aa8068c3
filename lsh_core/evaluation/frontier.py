"""Measures the frontier of recall and speed, from the smallest effort to the largest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.cluster import Cluster
from lsh_core.evaluation.ground_truth import GroundTruth, IndexScan, nearest_in_index, true_neighbours
from lsh_core.evaluation.latency import Latency, measure_latency
from lsh_core.evaluation.measurement import Measured, lower_bound, measure
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.metrics import metric_named
from lsh_core.metrics.contract import Metric
from lsh_core.progress import progress
from lsh_core.search.effort import effort_for_recall
from lsh_core.search.recall_curve import CurvePoint
from lsh_core.search.vector_index import VectorIndex

DEPTHS = (1, 10, 100)
CLIENTS = 8
SEARCHES = 200
"""Searches that are timed at each effort, by one client and by eight together."""
_ENOUGH = 0.9995
_STEP = 1.5


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The speed of searches.

    Attributes
    ----------
    p50_ms, p95_ms, p99_ms
        Milliseconds with a single client.
    loaded_p50_ms, loaded_p95_ms, loaded_p99_ms
        Milliseconds with eight clients at once.
    per_second
        Searches per second of the eight clients together.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    loaded_p50_ms: float
    loaded_p95_ms: float
    loaded_p99_ms: float
    per_second: float


@dataclass(frozen=True, kw_only=True)
class FrontierPoint(Speed, CurvePoint):
    """Recall and speed of one effort."""


@dataclass(frozen=True)
class DepthRecall:
    """Recall at one number of neighbours.

    Attributes
    ----------
    histogram
        Number of queries that found 0, 1, ... all neighbours.
    """

    recall: float
    recall_p5: float
    histogram: list[int]


@dataclass(frozen=True, kw_only=True)
class Frontier(Speed):
    """The figures of a build.

    Attributes
    ----------
    effort
        Default effort; None: a scan of all rows. All figures but `curve` belong to it. Unless it is None, `curve` has a
        point for it.
    scored
        Mean number of rows that a query was compared with; None if the server does not report it.
    recall_at
        Recall by number of neighbours: 1, 10, 100 and `k`.
    blurred
        Share of queries whose last neighbour has the float32 score of rows a twentieth further away; such rows count as
        found.
    distance_ratio
        Mean ratio of found to true distances, rank by rank; None if distances may be negative.
    """

    k: int
    queries: int
    effort: float | None
    recall: float
    recall_low: float
    recall_p5: float
    histogram: list[int]
    recall_at: dict[str, DepthRecall]
    blurred: float
    distance_ratio: float | None
    scored: float | None
    curve: list[FrontierPoint]


def measure_frontier(
    cluster: Cluster, searcher: VectorIndex, queries: QuerySet, k: int, rows: int, *, scan: IndexScan = nearest_in_index
) -> Frontier:
    """Measure rising efforts, up to nearly full recall.

    Parameters
    ----------
    scan
        Scan of the index.
    """
    build = searcher.build
    depths = sorted({min(depth, rows - queries.left_out) for depth in (*DEPTHS, k)})
    truth = true_neighbours(cluster, build.index, build.field, queries, depths[-1], rows=rows, scan=scan)
    own = {depth: measure(searcher, queries, truth.nearest(depth), None) for depth in depths}
    k = min(k, depths[-1])
    metric = metric_named(build.field.metric)
    default = effort_for_recall(build, None)
    effort = None if default is None else default.value
    curve = _measure_curve(searcher, queries, truth.nearest(k), build.field.strategy.effort_range(k, rows), effort)
    timed = next((point for point in curve if point.effort == effort), None) or _speed(searcher, queries, k, None)
    recall, scored = own[k].recall, own[k].scored
    recall_at = {str(depth): _depth_recall(found.recall, depth) for depth, found in own.items()}
    return Frontier(
        k=k,
        queries=len(queries),
        effort=effort,
        recall=recall_at[str(k)].recall,
        recall_low=round(lower_bound(recall), 4),
        recall_p5=recall_at[str(k)].recall_p5,
        histogram=recall_at[str(k)].histogram,
        recall_at=recall_at,
        blurred=0.0 if metric.has_negative else ties_within_float32(truth.nearest(k), metric),
        distance_ratio=None if metric.has_negative else _ratio(own[k], truth.nearest(k), metric),
        scored=None if np.isnan(scored).any() else round(float(scored.mean()), 1),
        curve=curve,
        **{each.name: getattr(timed, each.name) for each in fields(Speed)},
    )


def _depth_recall(recall: npt.NDArray[np.float64], depth: int) -> DepthRecall:
    return DepthRecall(
        recall=round(float(recall.mean()), 4),
        recall_p5=round(float(np.quantile(recall, 0.05, method="lower")), 4),
        histogram=np.bincount(np.round(recall * depth).astype(int), minlength=depth + 1).tolist(),
    )


def _measure_curve(
    searcher: VectorIndex, queries: QuerySet, truth: GroundTruth, allowed: tuple[float, float], own: float | None
) -> list[FrontierPoint]:
    """Measure rising efforts, and the default effort."""
    least, most = allowed
    rising = set(searcher.build.field.strategy.effort_scale.rising(least, most, step=_STEP))
    wanted = {own} if own is not None and least <= own <= most else set()
    curve: list[FrontierPoint] = []
    with progress("evaluate", unit="searches") as meter:
        for effort in sorted(rising | wanted):
            if curve and curve[-1].recall >= _ENOUGH and effort > max(wanted, default=0):
                break
            curve.append(_point(searcher, queries, truth, effort))
            meter.advance(len(queries) + 2 * SEARCHES)
    return curve


def _point(searcher: VectorIndex, queries: QuerySet, truth: GroundTruth, effort: float) -> FrontierPoint:
    found = measure(searcher, queries, truth, effort).point(effort)
    return FrontierPoint(**asdict(found), **asdict(_speed(searcher, queries, truth.distances.shape[1], effort)))


def _speed(searcher: VectorIndex, queries: QuerySet, k: int, effort: float | None) -> Speed:
    def timed(clients: int) -> Latency:
        return measure_latency(searcher, queries.vectors, k=k, effort=effort, clients=clients, searches=SEARCHES)

    one, many = timed(1), timed(CLIENTS)
    return Speed(
        p50_ms=one.p50_ms,
        p95_ms=one.p95_ms,
        p99_ms=one.p99_ms,
        loaded_p50_ms=many.p50_ms,
        loaded_p95_ms=many.p95_ms,
        loaded_p99_ms=many.p99_ms,
        per_second=many.per_second,
    )


def ties_within_float32(truth: GroundTruth, metric: Metric) -> float:
    """Return the share of queries whose last neighbour ties within float32 scores."""
    last = truth.distances[:, -1]
    return round(float(((last > 0) & (metric.score_ties(last) > 1.05 * last)).mean()), 4)


def _ratio(found: Measured, truth: GroundTruth, metric: Metric) -> float:
    """Return the mean ratio of distances, over found ranks whose scores are exact to a percent."""
    told = metric.score_ties(truth.distances) < 1.01 * truth.distances
    usable = np.isfinite(found.distances) & told
    ratios: npt.NDArray[np.float64] = found.distances[usable] / truth.distances[usable]
    return round(float(ratios.mean()), 5) if len(ratios) else 1.0
