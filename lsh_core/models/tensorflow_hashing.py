"""Computes tokens with TensorFlow, on a GPU if there is one.

Rows are processed in blocks of at most `BLOCK_NUMBERS` products, so that a block takes some 50 MiB for any model. The
signatures of the functions leave the number of rows open: functions are traced once, not once per chunk size, and a
live upsert of one row does not pay for a block. Input to matrix products is not rounded to TF32.

TensorFlow adds up in another order than NumPy, so sums differ in the last bits. A token differs from NumPy's if a row
lies within rounding of a plane, or if two lists lie on either side of a step of compared distances.

Up to 90 of a million tokens differed. (All figures: docs/decisions/models.md.)

Sums and comparisons avoid int32, which TensorFlow computes on the host even with a GPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsh_core.backends import load_tensorflow, whole_float32
from lsh_core.metrics.vectors import MIN_SQUARED_LENGTH, squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.distances import compared_bits
from lsh_core.models.kmeans import row_blocks
from lsh_core.models.soar import MAX_LOSS

BLOCK_NUMBERS = 2**22
HALF_BITS = 16


class _Functions(NamedTuple):
    """Traced functions, one set per process for all models."""

    codes: Any
    nearest: Any
    smallest: Any
    residuals: Any
    next_list: Any


def _tensorflow() -> Any:
    return load_tensorflow("a model with hash_backend=tensorflow")


@cache
def _functions() -> _Functions:
    tf = _tensorflow()
    matrix, numbers = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.float32)
    whole = tf.TensorSpec([], tf.int32)

    @tf.function(input_signature=[matrix, matrix, numbers, matrix])  # type: ignore[untyped-decorator]
    def codes(rows: Any, normals: Any, offsets: Any, places: Any) -> Any:
        """Return the bits of each table as two halves of a number, (n · tables, 2) float32."""
        sides = tf.cast(tf.matmul(rows, normals, transpose_b=True) > offsets, tf.float32)
        # Sums of 16 different powers of two are exact in float32, and a product is faster than sums of integers.
        return tf.matmul(tf.reshape(sides, [-1, tf.shape(places)[0]]), places)

    @tf.function(input_signature=[matrix, matrix, numbers, whole, whole])  # type: ignore[untyped-decorator]
    def nearest(rows: Any, scaled: Any, norms: Any, kept_bits: Any, count: Any) -> Any:
        squared = tf.matmul(rows, scaled, transpose_b=True) + norms
        squared = tf.maximum(squared + tf.reduce_sum(tf.square(rows), axis=1, keepdims=True), 0.0)
        steps = tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(squared, tf.int32), kept_bits), tf.float32)
        return tf.math.top_k(-steps, count).indices  # Of equal distances the first.

    @tf.function(input_signature=[matrix, matrix, numbers, whole])  # type: ignore[untyped-decorator]
    def smallest(rows: Any, scaled: Any, norms: Any, count: Any) -> Any:
        return tf.math.top_k(-(tf.matmul(rows, scaled, transpose_b=True) + norms), count).indices

    @tf.function(input_signature=[matrix, matrix, tf.TensorSpec([None, None], tf.int64)])  # type: ignore[untyped-decorator]
    def residuals(rows: Any, centroids: Any, lists: Any) -> Any:
        """Return the residuals of rows by their lists, (n, c, d), and their squared lengths, (n, c)."""
        found = rows[:, tf.newaxis] - tf.gather(centroids, lists)
        return found, tf.reduce_sum(tf.square(found), axis=2)

    cube, flags = tf.TensorSpec([None, None, None], tf.float32), tf.TensorSpec([None, None], tf.bool)
    weights = tf.TensorSpec([], tf.float32)

    @tf.function(input_signature=[cube, matrix, flags, tf.TensorSpec([None], tf.int32), weights])  # type: ignore[untyped-decorator]
    def next_list(found: Any, losses: Any, taken: Any, last: Any, weight: Any) -> Any:
        """Return losses and taken lists after the choice of `last`, and the place of the list with the least loss."""
        own = tf.gather(found, last, batch_dims=1)
        squared = tf.reduce_sum(tf.square(own), axis=1, keepdims=True)
        lengths = tf.sqrt(tf.where(squared >= MIN_SQUARED_LENGTH, squared, np.inf))
        along = tf.linalg.matvec(found, own / lengths)
        losses = losses + weight * tf.square(along)
        taken = taken | (tf.range(tf.shape(taken)[1]) == last[:, tf.newaxis])
        finite = tf.where(tf.math.is_finite(losses), losses, MAX_LOSS)
        open_losses = tf.where(taken, np.float32(np.inf), finite)
        return losses, taken, tf.math.top_k(-open_losses, 1).indices[:, 0]  # Of equal losses the first.

    return _Functions(codes, nearest, smallest, residuals, next_list)


class TensorFlowPlanes:
    """Sides of a model's planes on which rows lie.

    Parameters
    ----------
    normals : (tables · bits, d) float32
    offsets : (tables · bits,) float32

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed.
    """

    def __init__(self, normals: Float32Array, offsets: Float32Array, tables: int) -> None:
        tf = _tensorflow()
        self._tables, self._bits = tables, len(normals) // tables
        bits = np.arange(self._bits)
        places = np.zeros((self._bits, 2), np.float32)
        places[bits, bits // HALF_BITS] = 2.0 ** (bits % HALF_BITS)
        self._planes = tf.constant(normals), tf.constant(offsets), tf.constant(places)

    def tokens(self, vectors: Float32Array) -> Int64Array:
        """Return ``table << bits | code`` for each row and table, (n, tables) int64."""
        tokens = np.empty((len(vectors), self._tables), dtype=np.int64)
        with whole_float32(_tensorflow()):
            for block in row_blocks(len(vectors), _block_rows(self._tables * self._bits)):
                halves = _functions().codes(vectors[block], *self._planes).numpy().astype(np.int64)
                tokens[block] = (halves[:, 0] | halves[:, 1] << HALF_BITS).reshape(-1, self._tables)
        tokens |= np.arange(self._tables, dtype=np.int64) << self._bits
        return tokens


class TensorFlowDistances:
    """Distances to a model's centroids; see :class:`lsh_core.models.distances.Distances`.

    Parameters
    ----------
    centroids : (lists, d) float32

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed.
    """

    def __init__(self, centroids: Float32Array) -> None:
        tf = _tensorflow()
        self._centroids = tf.constant(centroids)
        self._scaled, self._norms = tf.constant(centroids * np.float32(-2.0)), tf.constant(squared_norms(centroids))

    def nearest(
        self, vectors: Float32Array, rows: Int64Array, lists: NDArray[np.int32] | None, found: Int64Array
    ) -> None:
        """See :meth:`lsh_core.models.distances.Distances.nearest`."""
        tf = _tensorflow()
        scaled, norms = self._scaled, self._norms
        if lists is not None:
            scaled, norms = tf.gather(scaled, lists), tf.gather(norms, lists)
        kept_bits = compared_bits(int(scaled.shape[0]))
        with whole_float32(tf):
            for block in row_blocks(len(rows), _block_rows(int(scaled.shape[0]))):
                chosen = rows[block]
                places = _functions().nearest(vectors[chosen], scaled, norms, kept_bits, found.shape[1]).numpy()
                found[chosen] = places if lists is None else lists[places]

    def nearest_centre(self, vectors: Float32Array, centres: Float32Array) -> Int64Array:
        """See :meth:`lsh_core.models.distances.Distances.nearest_centre`."""
        tf = _tensorflow()
        scaled, norms = tf.constant(centres * np.float32(-2.0)), tf.constant(squared_norms(centres))
        return self._smallest(vectors, scaled, norms, 1)[:, 0]

    def of(self, centres: Float32Array) -> TensorFlowDistances:
        """See :meth:`lsh_core.models.distances.Distances.of`."""
        return TensorFlowDistances(centres)

    def spilled(self, vectors: Float32Array, nearest: Int64Array, *, count: int, weight: float) -> Int64Array:
        """See :meth:`lsh_core.models.distances.Distances.spilled`."""
        tf = _tensorflow()
        places = np.zeros((len(vectors), count), dtype=np.int64)
        with whole_float32(tf):
            for block in row_blocks(len(vectors), _block_rows(nearest.shape[1] * vectors.shape[1])):
                found, losses = _functions().residuals(vectors[block], self._centroids, nearest[block])
                taken, last = tf.zeros_like(losses, tf.bool), tf.zeros(losses.shape[0], tf.int32)
                for step in range(1, count):
                    losses, taken, last = _functions().next_list(found, losses, taken, last, weight)
                    places[block, step] = last.numpy()
        return np.take_along_axis(nearest, places, axis=1)

    def best_products(self, queries: Float32Array, count: int) -> Int64Array:
        """See :meth:`lsh_core.models.distances.Distances.best_products`."""
        return self._smallest(queries, self._scaled, _tensorflow().zeros_like(self._norms), count)

    def _smallest(self, vectors: Float32Array, scaled: Any, norms: Any, count: int) -> Int64Array:
        """Return positions of the smallest ``scaled · row + norm``, smallest first."""
        found = np.empty((len(vectors), count), dtype=np.int64)
        with whole_float32(_tensorflow()):
            for block in row_blocks(len(vectors), _block_rows(int(scaled.shape[0]))):
                found[block] = _functions().smallest(vectors[block], scaled, norms, count).numpy()
        return found


def _block_rows(numbers: int) -> int:
    return max(1, BLOCK_NUMBERS // numbers)
