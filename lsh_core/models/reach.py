"""Finds the lists within the reach of a query.

A fixed number of lists is too many for easy queries, and too few for hard ones. Within `reach` are the lists whose
centroid is at most `reach` times as far from the query as the tenth nearest centroid. A ratio to the nearest centroid
is worse than a fixed number: the nearest may lie anywhere.

Figures: docs/decisions/models.md.
"""

from __future__ import annotations

import math

import numpy as np

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
    offsets: Float32Array,
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
    offsets : (q,) float32
        Sum with ``norms - 2 centroids · query``: squared distances, or another measure that is 0 for the best list
        there could be.
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
        gaps *= np.float32(-2.0)
        if norms is not None:
            gaps += norms
        gaps += offsets[block, np.newaxis]
        np.maximum(gaps, np.float32(0.0), out=gaps)
        limits = np.partition(gaps, yardstick, axis=1)[:, yardstick] * np.float32(reach**2)
        found += [_within(row, limit, widening, most) for row, limit in zip(gaps, limits, strict=True)]
    return found


def _within(gaps: Float32Array, limit: np.float32, widening: float, most: int) -> Int64Array:
    inside = np.flatnonzero(gaps <= limit)
    count = min(most, max(1, math.ceil(len(inside) * widening)))
    return inside if len(inside) == count else gaps.argpartition(count - 1)[:count]
