"""What a build finds, and how fast, from the least effort to the most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.connection import Connection
from lsh_core.evaluation.curve import efforts
from lsh_core.evaluation.latency import measure_latency
from lsh_core.evaluation.measuring import Measured, lower_bound, measure
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.evaluation.truth import Truth, true_neighbours
from lsh_core.progress import progress
from lsh_core.search.effort import effort_range
from lsh_core.search.vector_index import VectorIndex

DEPTHS = (1, 10, 100)
CLIENTS = 8
SEARCHES = 200
"""Timed at each effort, by one client and by eight together."""
_ENOUGH = 0.9995


@dataclass(frozen=True)
class FrontierPoint:
    """One effort: what it finds, and what it costs. Milliseconds are those of one client."""

    effort: int
    recall: float
    recall_low: float
    recall_p5: float
    scored: float | None
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float


@dataclass(frozen=True)
class Frontier:
    """The figures of a build.

    Attributes
    ----------
    effort
        What is done unless told otherwise; None: a scan of all rows. `recall`, `recall_low`, `recall_p5`, `histogram`,
        `recall_at` and `distance_ratio` are its figures.
    histogram
        How many queries found 0, 1, ... `k` of their neighbours.
    recall_at
        Mean recall by number of neighbours.
    distance_ratio
        Mean distance of what was found over that of the true neighbours, rank by rank; None where a distance may be
        negative.
    """

    k: int
    queries: int
    effort: int | None
    recall: float
    recall_low: float
    recall_p5: float
    histogram: list[int]
    recall_at: dict[str, float]
    distance_ratio: float | None
    curve: list[FrontierPoint]


def measure_frontier(connection: Connection, searcher: VectorIndex, queries: QuerySet, k: int, rows: int) -> Frontier:
    """Measure all efforts, until nearly everything is found."""
    build = searcher.build
    depths = sorted({min(depth, rows - queries.left_out) for depth in (*DEPTHS, k)})
    truth = true_neighbours(connection, build.index, build.field, queries, depths[-1], rows=rows)
    own = {depth: measure(searcher, queries, truth.first(depth), None) for depth in depths}
    k = min(k, depths[-1])
    least, most = effort_range(build, k, rows)
    curve: list[FrontierPoint] = []
    with progress("evaluate", unit="efforts") as meter:
        for effort in efforts(least, most):
            curve.append(_point(searcher, queries, truth.first(k), effort, k))
            meter.advance(1)
            if curve[-1].recall >= _ENOUGH:
                break
    recall = own[k].recall
    return Frontier(
        k=k,
        queries=len(queries),
        effort=None if build.curve is None else build.curve.effort,
        recall=round(float(recall.mean()), 4),
        recall_low=round(lower_bound(recall), 4),
        recall_p5=round(float(np.quantile(recall, 0.05, method="lower")), 4),
        histogram=np.bincount(np.round(recall * k).astype(int), minlength=k + 1).tolist(),
        recall_at={str(depth): round(float(found.recall.mean()), 4) for depth, found in own.items()},
        distance_ratio=None if build.field.metric == "dot" else _ratio(own[k], truth.first(k)),
        curve=curve,
    )


def _point(searcher: VectorIndex, queries: QuerySet, truth: Truth, effort: int, k: int) -> FrontierPoint:
    found = measure(searcher, queries, truth, effort).point(effort)
    timed = {"k": k, "effort": effort, "searches": SEARCHES}
    one = measure_latency(searcher, queries.vectors, clients=1, **timed)
    many = measure_latency(searcher, queries.vectors, clients=CLIENTS, **timed)
    return FrontierPoint(
        effort=effort,
        recall=found.recall,
        recall_low=found.recall_low,
        recall_p5=found.recall_p5,
        scored=found.scored,
        p50_ms=one.p50_ms,
        p95_ms=one.p95_ms,
        p99_ms=one.p99_ms,
        per_second=many.per_second,
    )


def _ratio(found: Measured, truth: Truth) -> float:
    """Return the mean ratio of distances, over the ranks that were found and are not at no distance."""
    usable = np.isfinite(found.distances) & (truth.distances > 0)
    ratios: npt.NDArray[np.float64] = found.distances[usable] / truth.distances[usable]
    return round(float(ratios.mean()), 5) if len(ratios) else 1.0
