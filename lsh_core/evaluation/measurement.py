"""Measures one effort: compares production searches with the ground truth."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import digests, hash_ids
from lsh_core.evaluation.ground_truth import GroundTruth
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.evaluation.recall import recall_at_k
from lsh_core.metrics import metric_named
from lsh_core.search.recall_curve import CurvePoint
from lsh_core.search.results import SearchResult
from lsh_core.search.vector_index import VectorIndex

CLIENTS = 4
_QUERIES_EACH = 64
_SIGMAS = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class Measured:
    """Results of one effort, by query.

    Attributes
    ----------
    recall, scored
        (q,): share of true neighbours that were found, and rows that were compared with the query; NaN if the server
        does not report them.
    distances
        (q, k): distances of found rows, nearest first; infinite if fewer were found.
    """

    recall: npt.NDArray[np.float64]
    scored: npt.NDArray[np.float64]
    distances: npt.NDArray[np.float64]

    def point(self, effort: float) -> CurvePoint:
        """Return the figures of all queries together."""
        return curve_point(effort, self.recall, self.scored)


def curve_point(effort: float, recall: npt.NDArray[np.float64], scored: npt.NDArray[np.float64]) -> CurvePoint:
    """Return the figures of an effort.

    Parameters
    ----------
    recall
        (q,): recall of each query.
    scored
        Scored rows of each query, or of a part of the queries.
    """
    return CurvePoint(
        effort=effort,
        recall=round(float(recall.mean()), 4),
        recall_low=round(lower_bound(recall), 4),
        recall_p5=round(float(np.quantile(recall, 0.05, method="lower")), 4),
        scored=None if np.isnan(scored).any() else round(float(scored.mean()), 1),
        queries=len(recall),
    )


def lower_bound(recall: npt.NDArray[np.float64]) -> float:
    """Return the one-sided 95 % lower bound of the mean of sampled recalls.

    The bound uses the normal approximation. Its deviation counts one further query that found nothing, since a sample
    without misses does not prove that none exist.
    """
    spread = np.append(recall, 0.0).std(ddof=1)
    return max(0.0, float(recall.mean() - _SIGMAS * spread / math.sqrt(len(recall))))


def measure(searcher: VectorIndex, queries: QuerySet, truth: GroundTruth, effort: float | None) -> Measured:
    """Search for the neighbours of all queries with an effort; None: the default."""
    k = truth.distances.shape[1]
    given: dict[str, Any] = {} if effort is None else {searcher.build.model.effort_name: effort}

    def ask(part: slice) -> list[SearchResult]:
        return list(searcher.search_many(queries.vectors[part], k=k + queries.left_out, fields=(), **given))

    parts = [slice(start, start + _QUERIES_EACH) for start in range(0, len(queries), _QUERIES_EACH)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        results = [result for some in clients.map(ask, parts) for result in some]
    found = [
        [neighbour for neighbour in result.neighbours if neighbour.id != own][:k]
        for result, own in zip(results, queries.ids or [None] * len(queries), strict=True)
    ]
    distances = np.full((len(queries), k), np.inf)
    for query, row in enumerate(found):
        distances[query, : len(row)] = [neighbour.distance for neighbour in row]
    recall = recall_at_k(
        [digests(hash_ids([neighbour.id for neighbour in row])) for row in found],
        [digests(row) for row in truth.id_hashes],
        found_distances=distances,
        exact_distances=metric_named(searcher.build.field.metric).score_ties(truth.distances),
        tolerance=0,
    )
    return Measured(recall, np.array([result.rows_scored for result in results], dtype=np.float64), distances)
