"""Finds the centroids nearest to queries.

A query is compared with few centroids directly. Many centroids are compared in two levels: all of them by their first
principal axes, and the best of these by all dimensions. (I. Jolliffe, "Principal Component Analysis", 2002, chapter 2.)
So a near centroid can be missed, though none was in the measurements. One level would read 49 MB for 16,000 centroids
of 768 dimensions, which takes longer than the search. Figures: docs/decisions/client.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.kmeans import row_blocks

MIN_NUMBERS = 2**20
"""Numbers of the centroids from which two levels are faster: 4 MB."""
AXES_STEP = 16
KEPT_SHARE = 0.9
"""Share of the differences between centroids that the kept axes explain."""
MAX_AXES_SHARE = 0.6
SAMPLE = 8192
EXAMINED_PER_RESULT = 4
MIN_EXAMINED = 64
QUERY_BLOCK = 64


class Probing:
    """Centroids, prepared for the search of those nearest to queries.

    Parameters
    ----------
    centroids : (lists, d) float32
    by_product
        Whether the nearest centroids are those with the largest products.
    """

    def __init__(self, centroids: Float32Array, *, by_product: bool = False) -> None:
        self._centroids = centroids
        self._norms = None if by_product else squared_norms(centroids)
        self._short = _Shortened.of(centroids, by_product=by_product) if centroids.size > MIN_NUMBERS else None

    def nearest(self, queries: Float32Array, count: int) -> tuple[Int64Array, Float32Array]:
        """Return the `count` nearest centroids of each query, nearest first, and their distances.

        Parameters
        ----------
        queries : (q, d) float32
        count
            1 to the number of centroids.

        Returns
        -------
        lists : (q, count) int64
        distances : (q, count) float32
            Squared distances; by product, negative products.
        """
        lists = np.empty((len(queries), count), dtype=np.int64)
        gaps = np.empty((len(queries), count), dtype=np.float32)
        for block in row_blocks(len(queries), QUERY_BLOCK):
            self._nearest(queries[block], lists[block], gaps[block])
        if self._norms is not None:
            gaps += squared_norms(queries)[:, np.newaxis]
            np.maximum(gaps, 0.0, out=gaps)
        return lists, gaps

    def _nearest(self, queries: Float32Array, lists: Int64Array, gaps: Float32Array) -> None:
        examined = EXAMINED_PER_RESULT * lists.shape[1] + MIN_EXAMINED
        if self._short is None or EXAMINED_PER_RESULT * examined > len(self._centroids):
            lists[:], gaps[:] = smallest(relative_gaps(queries, self._centroids, self._norms), lists.shape[1])
            return
        kept = self._short.gaps(queries).argpartition(examined - 1, axis=1)[:, :examined]
        for row, near in enumerate(kept):
            norms = None if self._norms is None else self._norms[near]
            exact = relative_gaps(queries[row : row + 1], self._centroids.take(near, axis=0), norms)
            places, gaps[row : row + 1] = smallest(exact, lists.shape[1])
            lists[row] = near[places[0]]


@dataclass(frozen=True, eq=False)
class _Shortened:
    """Centroids by their first principal axes.

    Attributes
    ----------
    origin : (d,) float32
        Subtracted from queries.
    axes : (d, axes) float32
    centroids : (lists, axes) float32
        Centroids without their mean.
    norms : (lists,) float32 or None
    """

    origin: Float32Array
    axes: Float32Array
    centroids: Float32Array
    norms: Float32Array | None

    @classmethod
    def of(cls, centroids: Float32Array, *, by_product: bool) -> Self | None:
        """Return the shortened centroids; None if a few axes do not explain their differences."""
        mean = centroids.mean(axis=0)
        centred = centroids - mean
        axes = principal_axes(centred)
        if axes is None:
            return None
        # A product with the mean is the same for all centroids.
        origin, norms = (np.zeros_like(mean), None) if by_product else (mean, squared_norms(centred))
        return cls(origin, axes, centred @ axes, norms)

    def gaps(self, queries: Float32Array) -> Float32Array:
        """Return estimates that grow with the distances, (q, lists)."""
        short: Float32Array = np.matmul(np.subtract(queries, self.origin, dtype=np.float32), self.axes)
        return relative_gaps(short, self.centroids, self.norms)


def principal_axes(centred: Float32Array) -> Float32Array | None:
    """Return the axes that explain most of the lengths of vectors, (d, axes); None if they are too many."""
    sample = centred[:: -(-len(centred) // SAMPLE)]
    shares, axes = np.linalg.eigh(sample.T @ sample)
    explained = np.cumsum(shares[::-1]) / max(float(shares.sum()), np.finfo(np.float32).tiny)
    needed = int(np.searchsorted(explained, KEPT_SHARE)) + 1
    kept = -(-needed // AXES_STEP) * AXES_STEP
    return (
        None if kept > MAX_AXES_SHARE * len(axes) else np.ascontiguousarray(axes[:, ::-1][:, :kept], dtype=np.float32)
    )


def smallest(gaps: Float32Array, count: int) -> tuple[Int64Array, Float32Array]:
    """Return the places of the `count` smallest of each row, smallest first, and their values."""
    if count < gaps.shape[1]:
        part = gaps.argpartition(count - 1, axis=1)[:, :count]
        values = np.take_along_axis(gaps, part, axis=1)
        order = values.argsort(axis=1, kind="stable")
        return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)
    order = gaps.argsort(axis=1, kind="stable")
    return order, np.take_along_axis(gaps, order, axis=1)


def relative_gaps(queries: Float32Array, centroids: Float32Array, norms: Float32Array | None) -> Float32Array:
    """Return numbers that grow with the distances of each query's pairs, (q, lists).

    Without `norms`, (lists,) float32, they are negative products.
    """
    gaps: Float32Array = queries @ centroids.T
    if norms is None:
        gaps *= np.float32(-1.0)
        return gaps
    gaps *= np.float32(-2.0)
    gaps += norms
    return gaps
