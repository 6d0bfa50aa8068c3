"""Chooses the further lists of a row by SOAR.

P. Sun et al., "SOAR: Improved Indexing for Approximate Nearest Neighbor Search", NeurIPS 2023, section 3. A query
misses the list of a near row if it lies beyond the row in the direction of the row's residual, the vector from the
list's centroid to the row. A second list whose residual points the same way is missed by the same queries. So the
further lists are chosen among the row's nearest lists by their distance and by the direction of their residual. The
loss of a list adds, to its squared distance, the squared parts of its residual along the residuals of the lists that
were chosen before.

Figures: docs/decisions/models.md.
"""

from __future__ import annotations

import numpy as np

from lsh_core.metrics.vectors import MIN_SQUARED_LENGTH
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.kmeans import row_blocks

CANDIDATES = 16
"""Number of nearest lists that the further lists of a row are chosen from."""
MAX_LOSS = np.finfo(np.float32).max
# Residuals of a block fit the second-level cache.
BLOCK_BYTES = 2**19


def spilled_lists(
    vectors: Float32Array, centroids: Float32Array, nearest: Int64Array, *, count: int, weight: float
) -> Int64Array:
    """Choose lists of each row among its nearest: the nearest first, then by the least loss.

    Parameters
    ----------
    vectors : (n, d) float32
    centroids : (lists, d) float32
    nearest : (n, c) int64
        Candidates of each row, nearest first, no two equal. Of lists with equal losses the first is chosen.
    count
        Lists of a row, 1 to c.
    weight
        Weight of the parts along other residuals; 0 chooses by distance.

    Returns
    -------
    (n, count) int64, no two equal in a row.
    """
    chosen = np.empty((len(vectors), count), dtype=np.int64)
    # Rows of one list share most candidates, whose centroids then stay in the cache.
    order = nearest[:, 0].argsort(kind="stable")
    for block in row_blocks(len(vectors), max(1, BLOCK_BYTES // (nearest.shape[1] * vectors[:1].nbytes or 1))):
        rows = order[block]
        candidates = nearest[rows]
        residuals = centroids.take(candidates, axis=0)
        np.subtract(vectors[rows, np.newaxis], residuals, out=residuals)
        places = _places(residuals, count, np.float32(weight))
        chosen[rows] = np.take_along_axis(candidates, places, axis=1)
    return chosen


def _places(residuals: Float32Array, count: int, weight: np.float32) -> Int64Array:
    """Return the chosen candidates of each row by their places, (n, count) int64; `residuals` are (n, c, d)."""
    each = np.arange(len(residuals))
    places = np.zeros((len(residuals), count), dtype=np.int64)
    taken = np.zeros(residuals.shape[:2], dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = np.einsum("ncd,ncd->nc", residuals, residuals)
        for step in range(1, count):
            last = places[:, step - 1]
            taken[each, last] = True
            along = residuals @ _directions(residuals[each, last])[:, :, np.newaxis]
            losses += weight * np.square(along[:, :, 0])
            # Losses beyond float32 are equal. Taken lists alone are infinite.
            places[:, step] = np.where(taken, np.inf, np.fmin(losses, MAX_LOSS)).argmin(axis=1)
    return places


def _directions(residuals: Float32Array) -> Float32Array:
    """Return residuals, (n, d), scaled to unit length; residuals without a length become 0."""
    squared = np.einsum("nd,nd->n", residuals, residuals)
    lengths = np.sqrt(np.where(squared >= MIN_SQUARED_LENGTH, squared, np.float32(np.inf)))
    unit: Float32Array = np.divide(residuals, lengths[:, np.newaxis], dtype=np.float32)
    return unit
