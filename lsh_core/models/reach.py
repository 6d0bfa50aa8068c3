"""Finds the lists within the reach of a query.

A fixed number of lists is too many for easy queries, and too few for hard ones. Within `reach` are the lists whose
centroid is at most `reach` times as far from the query as the tenth nearest centroid. A ratio to the nearest centroid
is worse than a fixed number: the nearest may lie anywhere.

Products have no ratios, as they may be 0 or negative. Where the best lists have the largest products, within `reach`
are those whose product with the query, of length 1, falls short of the tenth largest by at most ``reach - 1`` times the
typical length of a centroid.

Figures: docs/decisions/models.md.
"""

from __future__ import annotations

import math

import numpy as np

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.distances import QUERY_BLOCK
from lsh_core.models.kmeans import row_blocks

YARDSTICK = 10
"""The distance to this nearest list is the unit of a reach; to the farthest list if there are fewer."""
MIN_REACH, MAX_REACH = 0.1, 100.0
MAX_VISITED = 65_536
"""Lists that a search may visit: the server's maximum of terms in one filter (``index.max_terms_count``)."""


def lists_within(
    queries: Float32Array,
    centroids: Float32Array,
    norms: Float32Array | None,
    unit: float,
    reach: float,
    widening: float = 1.0,
) -> list[Int64Array]:
    """Return the lists within the reach of each query, at least one, in no order.

    Parameters
    ----------
    queries : (q, d) float32
    centroids : (lists, d) float32
    norms : (lists,) float32
        Squared lengths of the centroids; None: products are compared.
    unit
        Typical length of a centroid, the unit of products.
    widening
        Multiple of the lists within the reach that is returned, the nearest first.

    Returns
    -------
    q arrays of int64
    """
    found: list[Int64Array] = []
    most, yardstick = min(len(centroids), MAX_VISITED), min(YARDSTICK, len(centroids)) - 1
    for block in row_blocks(len(queries), QUERY_BLOCK):
        gaps = queries[block] @ centroids.T
        if norms is None:
            np.negative(gaps, out=gaps)
        else:
            gaps *= np.float32(-2.0)
            gaps += norms
            gaps += squared_norms(queries[block])[:, np.newaxis]
            np.maximum(gaps, np.float32(0.0), out=gaps)
        limits = np.partition(gaps, yardstick, axis=1)[:, yardstick]
        limits = limits + np.float32((reach - 1) * unit) if norms is None else limits * np.float32(reach**2)
        found += [_within(row, limit, widening, most) for row, limit in zip(gaps, limits, strict=True)]
    return found


def typical_length(centroids: Float32Array) -> float:
    """Return the root of the mean squared length of ``(lists, d)`` `centroids`."""
    return float(np.sqrt(squared_norms(centroids).mean(dtype=np.float64)))


def _within(gaps: Float32Array, limit: np.float32, widening: float, most: int) -> Int64Array:
    inside = np.flatnonzero(gaps <= limit)
    count = min(most, max(1, math.ceil(len(inside) * widening)))
    return inside if len(inside) == count else gaps.argpartition(count - 1)[:count]
