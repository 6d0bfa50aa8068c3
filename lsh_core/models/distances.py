"""Finds the nearest centroids of rows, by distances in blocks."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.kmeans import nearest_centroid, row_blocks
from lsh_core.models.probing import QUERY_BLOCK, relative_gaps, smallest
from lsh_core.models.soar import spilled_lists

# Larger blocks of distances do not fit the second-level cache.
BLOCK_DISTANCES = 2**18


class Distances(Protocol):
    """Distances to the centroids of lists, by NumPy or TensorFlow."""

    def nearest(
        self, vectors: Float32Array, rows: Int64Array, lists: NDArray[np.int32] | None, found: Int64Array
    ) -> None:
        """Write the lists nearest to ``vectors[rows]`` into ``found[rows]``, (len(rows), count).

        Only `lists` are examined; None examines all. The nearest list comes first. Distances are compared to 23 -
        log₂(lists examined) bits, about 1 part in 8,000; of equal distances the lower list number comes first.
        """

    def nearest_centre(self, vectors: Float32Array, centres: Float32Array) -> Int64Array:
        """Return the nearest of `centres` to each row, (n,) int64."""

    def of(self, centres: Float32Array) -> Distances:
        """Return distances to `centres`, (g, d), that are computed in the same way."""

    def spilled(self, vectors: Float32Array, nearest: Int64Array, *, count: int, weight: float) -> Int64Array:
        """Choose lists of each row among its nearest; see :func:`lsh_core.models.soar.spilled_lists`."""

    def best_products(self, queries: Float32Array, count: int) -> Int64Array:
        """Return the lists with the largest products, largest first, (q, count) int64."""


def compared_bits(lists: int) -> np.int32:
    """Return a mask of the compared bits of distances to `lists` lists; the other bits hold the list's number."""
    return ~np.int32((1 << (lists - 1).bit_length()) - 1)


class NumpyDistances:
    """Distances by NumPy, see :class:`Distances`.

    Parameters
    ----------
    centroids : (lists, d) float32
    threads
        Threads that find the nearest centres. A fit has several; a worker that encodes rows has one.
    """

    def __init__(self, centroids: Float32Array, threads: int = 1) -> None:
        self._centroids, self._threads = centroids, threads
        self._scaled, self._norms = centroids * np.float32(-2.0), squared_norms(centroids)

    def nearest(
        self, vectors: Float32Array, rows: Int64Array, lists: NDArray[np.int32] | None, found: Int64Array
    ) -> None:
        """See :meth:`Distances.nearest`."""
        scaled, norms = self._scaled, self._norms
        if lists is not None:
            scaled, norms = scaled.take(lists, axis=0), norms[lists]
        count, places = found.shape[1], len(scaled)
        kept_bits, positions = compared_bits(places), np.arange(places, dtype=np.int32)
        for block in row_blocks(len(rows), max(16, min(512, BLOCK_DISTANCES // places))):
            chosen = vectors[rows[block]]
            squared = chosen @ scaled.T
            squared += norms
            squared += squared_norms(chosen)[:, np.newaxis]
            np.maximum(squared, 0.0, out=squared)
            # The bits of positive floats sort like integers. With the list's number in the lowest bits, one partial
            # sort of integers gives distance and number at once. numpy sorts integers with vector instructions: a third
            # of the time of argpartition.
            keys = squared.view(np.int32)
            keys &= kept_bits
            keys |= positions
            if count < places:
                keys.partition(count - 1, axis=1)
            smallest = keys[:, :count]
            smallest.sort(axis=1)
            nearest = smallest & ~kept_bits
            found[rows[block]] = nearest if lists is None else lists[nearest]

    def nearest_centre(self, vectors: Float32Array, centres: Float32Array) -> Int64Array:
        """See :meth:`Distances.nearest_centre`."""
        return nearest_centroid(vectors, centres, self._threads)

    def of(self, centres: Float32Array) -> NumpyDistances:
        """See :meth:`Distances.of`."""
        return NumpyDistances(centres, self._threads)

    def spilled(self, vectors: Float32Array, nearest: Int64Array, *, count: int, weight: float) -> Int64Array:
        """See :meth:`Distances.spilled`."""
        return spilled_lists(vectors, self._centroids, nearest, count=count, weight=weight)

    def best_products(self, queries: Float32Array, count: int) -> Int64Array:
        """See :meth:`Distances.best_products`."""
        found = np.empty((len(queries), count), dtype=np.int64)
        for block in row_blocks(len(queries), QUERY_BLOCK):
            found[block], _ = smallest(relative_gaps(queries[block], self._centroids, None), count)
        return found
