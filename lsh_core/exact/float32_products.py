"""Computes float32 products of queries and rows by NumPy or TensorFlow.

Only the positions of small products leave the GPU, not the products. The input is not rounded to TF32, as the bounds of
:mod:`lsh_core.exact.candidate_filter` do not cover its error.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lsh_core.backends import Backend, load_tensorflow, whole_float32

Float32Matrix: TypeAlias = npt.NDArray[np.float32]
Pairs: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Products(Protocol):
    """Products of each query with each row."""

    def smallest(self, k: int) -> npt.NDArray[np.float32]:
        """Return the k-th smallest product of each query, (q,)."""

    def at_most(self, limits: npt.NDArray[np.float32]) -> Pairs:
        """Return pairs (query, row) whose product is at most the query's limit."""


class Rows(Protocol):
    """Rows on the device that computes products."""

    def times(self, queries: Float32Matrix) -> Products:
        """Multiply with queries, (q, d)."""


def load_rows(rows: Float32Matrix, backend: Backend) -> Rows:
    """Load rows, (n, d), to the device of `backend`.

    Raises
    ------
    MissingPackageError
        TensorFlow is not installed.
    """
    return NumpyRows(rows) if backend == "numpy" else TensorFlowRows(rows)


class NumpyRows:
    """Rows for NumPy."""

    def __init__(self, rows: Float32Matrix) -> None:
        self._rows = rows

    def times(self, queries: Float32Matrix) -> NumpyProducts:
        """See :class:`Rows`."""
        return NumpyProducts(queries @ self._rows.T)


class NumpyProducts:
    """Products, (q, n), in NumPy."""

    def __init__(self, products: Float32Matrix) -> None:
        self._products = products

    def smallest(self, k: int) -> npt.NDArray[np.float32]:
        """See :class:`Products`."""
        found: npt.NDArray[np.float32] = np.partition(self._products, k - 1, axis=1)[:, k - 1]
        return found

    def at_most(self, limits: npt.NDArray[np.float32]) -> Pairs:
        """See :class:`Products`."""
        # `nonzero` of a matrix takes fifty times as long.
        pairs = np.flatnonzero(self._products <= limits[:, None])
        queries, rows = np.divmod(pairs, self._products.shape[1])
        return queries, rows


class TensorFlowRows:
    """Rows on TensorFlow's device."""

    def __init__(self, rows: Float32Matrix) -> None:
        self._tensorflow = load_tensorflow("backend=tensorflow")
        self._rows = self._tensorflow.constant(rows)

    def times(self, queries: Float32Matrix) -> TensorFlowProducts:
        """See :class:`Rows`.

        The product stays on the device. TensorFlow fixes its precision at the call, not when the product is fetched.
        """
        tf = self._tensorflow
        with whole_float32(tf):
            return TensorFlowProducts(tf, tf.matmul(queries, self._rows, transpose_b=True))


class TensorFlowProducts:
    """Products, (q, n), on TensorFlow's device."""

    def __init__(self, tensorflow: Any, products: Any) -> None:
        self._tensorflow, self._products = tensorflow, products

    def smallest(self, k: int) -> npt.NDArray[np.float32]:
        """See :class:`Products`."""
        found: npt.NDArray[np.float32] = -self._tensorflow.math.top_k(-self._products, k).values[:, k - 1].numpy()
        return found

    def at_most(self, limits: npt.NDArray[np.float32]) -> Pairs:
        """See :class:`Products`."""
        queries, rows = self._tensorflow.where(self._products <= limits[:, None]).numpy().T
        return queries, rows
