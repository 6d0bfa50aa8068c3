"""Measures the recall of a build at one effort after another.

Lists find all that they find with a smaller effort, so a query that found all its neighbours is not asked again. A
graph finds the neighbours of its own rows more easily than those of other vectors, so their misses count twice.
"""

from __future__ import annotations

import numpy as np

from lsh_core.evaluation.ground_truth import GroundTruth
from lsh_core.evaluation.measurement import curve_point, measure
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.search.recall_curve import CurvePoint
from lsh_core.search.vector_index import VectorIndex

ALWAYS_ASKED = 200
"""Queries that are asked with each effort; the mean of scored rows is theirs."""
OWN_ROW_MISSES = 2.0
"""Misses of other vectors, as a multiple of the misses of indexed rows, where a strategy favours the latter."""


class RisingRecall:
    """Recall of a build by effort.

    Lists find all that they find with a smaller effort, and score it exactly. So a query that found all its neighbours
    is not asked again with a larger effort.

    A graph finds the neighbours of its own rows more easily than those of other vectors. If the queries are rows of the
    index, each of its misses counts twice: it found .95 of the neighbours of indexed text embeddings with an effort
    that found .90 of those of others.

    Parameters
    ----------
    queries, truth
        Queries and their true neighbours, in the same order.
    """

    def __init__(self, searcher: VectorIndex, queries: QuerySet, truth: GroundTruth) -> None:
        self._searcher, self._queries, self._truth = searcher, queries, truth
        strategy = searcher.build.field.strategy
        self._nested, self._favoured = strategy.nested, strategy.favours_own_rows and queries.left_out > 0
        self._complete = np.full(len(queries), np.inf)

    def at(self, effort: float, queries: int | None = None) -> CurvePoint:
        """Return the figures of one effort, by the first `queries` queries or by all."""
        count = min(queries or len(self._queries), len(self._queries))
        asked = np.arange(count)
        if self._nested:
            asked = asked[(asked < ALWAYS_ASKED) | (self._complete[:count] > effort)]
        found = measure(self._searcher, self._queries.take(asked), self._truth.take(asked), effort)
        recall = np.ones(count)
        recall[asked] = found.recall
        complete = asked[found.recall == 1]
        self._complete[complete] = np.minimum(self._complete[complete], effort)
        if self._favoured:
            recall = np.maximum(0.0, 1 - OWN_ROW_MISSES * (1 - recall))
        return curve_point(effort, recall, found.scored[:ALWAYS_ASKED])
