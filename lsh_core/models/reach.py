"""Finds the lists within the reach of a query.

A fixed number of lists is too many for easy queries, and too few for hard ones. Within `reach` are the lists whose
centroid is at most `reach` times as far from the query as the tenth nearest centroid. A ratio to the nearest centroid
is worse than a fixed number: the nearest may lie anywhere.

Products have no ratios, as they may be 0 or negative. Under a metric by product, such as ``dot``, within `reach` are
the lists whose product with the query, of length 1, falls short of the tenth largest by at most ``reach - 1`` times the
typical length of a centroid.

Figures: docs/decisions/models.md.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array

YARDSTICK = 10
"""The distance to this nearest list is the unit of a reach; to the farthest list if there are fewer."""
MIN_REACH, MAX_REACH = 0.1, 100.0
MAX_VISITED = 65_536
"""Lists that a search may visit: the server's maximum of terms in one filter (``index.max_terms_count``)."""
FIRST_EXAMINED = 128
"""Nearest lists that are found at first; more if all of them are within the reach."""
GROWTH = 4
"""Multiple of the lists that are found next."""


class NearestLists(Protocol):
    """Finds the nearest lists of queries; see :class:`lsh_core.models.probing.Probing`."""

    def nearest(self, queries: Float32Array, count: int) -> tuple[Int64Array, Float32Array]:
        """Return lists, nearest first, and their squared distances or negative products: (q, count) each."""


def lists_within(
    lists: NearestLists,
    queries: Float32Array,
    reach: float,
    *,
    available: int,
    unit: float | None,
    widening: float = 1.0,
) -> list[Int64Array]:
    """Return the lists within the reach of each query, nearest first, at least one.

    Parameters
    ----------
    queries : (q, d) float32
    available
        Number of all lists.
    unit
        Typical length of a centroid, the unit of products; None: distances are compared.
    widening
        Multiple of the lists within the reach that is returned.

    Returns
    -------
    q arrays of int64
    """
    found: list[Int64Array] = [np.empty(0, np.int64)] * len(queries)
    most, count = min(available, MAX_VISITED), min(available, FIRST_EXAMINED)
    left = np.arange(len(queries))
    while len(left):
        near, gaps = lists.nearest(queries[left], count)
        inside = (gaps <= _limits(gaps, reach, unit)[:, np.newaxis]).sum(axis=1)
        known = (inside < count) | (count >= most)
        wanted = np.array([min(most, max(1, math.ceil(each * widening))) for each in inside.tolist()])
        known &= wanted <= count
        for place in np.flatnonzero(known):
            found[left[place]] = near[place, : wanted[place]]
        left, needed = left[~known], wanted[~known].max(initial=0)
        count = min(most, max(count * GROWTH, int(needed)))
    return found


def _limits(gaps: Float32Array, reach: float, unit: float | None) -> NDArray[np.float64]:
    """Return the largest gap within the reach, (q,) float64, as float32 overflows for long vectors."""
    tenth = gaps[:, min(YARDSTICK, gaps.shape[1]) - 1].astype(np.float64)
    return tenth * reach**2 if unit is None else tenth + (reach - 1) * unit


def typical_length(centroids: Float32Array) -> float:
    """Return the root of the mean squared length of ``(lists, d)`` `centroids`."""
    return float(np.sqrt(squared_norms(centroids).mean(dtype=np.float64)))
