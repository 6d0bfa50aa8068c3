"""Filters pairs of query and row by float32 products and error bounds.

With g = (d + 4)·2⁻²³, x·q in float32 is off by at most g|x||q|, and |x|² and |q|² by g times themselves (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1, with a factor of two to spare). The bound holds
for any order of sums and for fused multiplications, so for any library and device, as long as the input is not rounded
to fewer bits. A library may flush subnormal numbers to zero, as TensorFlow does; the bound includes that error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsh_core.backends import Backend
from lsh_core.exact.float32_products import Float32Matrix, Pairs, load_rows

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny
_LOST = 8 * float(np.finfo(np.float32).tiny)
"""Maximum error of one term of a product of scaled vectors if subnormal numbers are flushed to zero."""


class _Scaled(NamedTuple):
    """Scaled queries: for query i and row j, measure · scale[i] - base[i] is known within slack[i].

    Attributes
    ----------
    queries : (q, d) float32
    scale, base, slack : (q,) float64
    """

    queries: Float32Matrix
    scale: Vector
    base: Vector
    slack: Vector


class CandidateFilter:
    """Filter of pairs of queries with a block of rows.

    Parameters
    ----------
    rows : (n, d)
    longest_query
        Squared length of the longest query.
    by_product
        Whether the measure is -x·q; otherwise it is |x - q|².
    backend
        Library of the product.
    """

    def __init__(self, rows: Matrix, longest_query: float, *, by_product: bool, backend: Backend) -> None:
        self._by_product = by_product
        self._count, dims = rows.shape
        self._bound, self._floor = (dims + 4) * 2.0**-23, (dims + 4) * _LOST
        norms = squared_lengths(rows)
        self._longest = float(norms.max())
        if by_product:
            # |x||q| is small compared with |q|² if q is long and all rows are short, so rows and queries have separate
            # scales.
            self._scale = float(_inverse_length(self._longest))
            scaled = (rows * self._scale).astype(np.float32)
        else:
            self._scale = float(_inverse_length(max(self._longest, longest_query)))
            # |x|² is one more term of the product: adding it later would take another pass.
            scaled = np.empty((self._count, dims + 1), np.float32)
            scaled[:, :-1], scaled[:, -1] = rows * self._scale, norms * self._scale**2
        self._rows = load_rows(scaled, backend)

    def pairs(self, queries: Matrix, worst: Vector, k: int) -> Pairs:
        """Return the pairs (query, row) that may be among the k nearest, sorted by query.

        Parameters
        ----------
        queries : (q, d)
        worst : (q,)
            Measure of the k-th nearest row so far; infinite if fewer rows were seen.
        """
        scaled, scale, base, slack = self._for_products(queries) if self._by_product else self._for_gaps(queries)
        products = self._rows.times(scaled)
        limit = worst * scale - base + slack
        if np.isinf(worst).any() and k < self._count:
            # There is no k-th row yet: the filter takes the k-th best of this block by its own estimate.
            limit = np.minimum(limit, products.smallest(k).astype(np.float64) + 2 * slack)
        # Rounded up: a limit rounded down would lose the row that sets it.
        with np.errstate(over="ignore"):
            return products.at_most(np.nextafter(limit.astype(np.float32), np.float32(np.inf)))

    def _for_gaps(self, queries: Matrix) -> _Scaled:
        """Estimate |x - q|² - |q|² by |x|² - 2x·q, with an error of at most 2g(|x| + |q|)²."""
        norms, square = squared_lengths(queries), self._scale**2
        scaled = np.ones((len(queries), queries.shape[1] + 1), np.float32)
        scaled[:, :-1] = queries * (-2 * self._scale)
        slack = 2 * self._bound * square * (np.sqrt(norms) + np.sqrt(self._longest)) ** 2 + self._floor
        return _Scaled(scaled, np.full(len(queries), square), norms * square, slack)

    def _for_products(self, queries: Matrix) -> _Scaled:
        """Estimate -x·q, with an error of at most g|x||q|."""
        norms = squared_lengths(queries)
        scales = _inverse_length(norms)
        scale = self._scale * scales
        slack = self._bound * np.sqrt(norms) * np.sqrt(self._longest) * scale + self._floor
        return _Scaled((queries * -scales[:, None]).astype(np.float32), scale, np.zeros(len(queries)), slack)


class EveryPair:
    """Filter that passes every pair, for metrics without a bound.

    Parameters
    ----------
    rows
        Rows of the block.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def pairs(self, queries: Matrix, worst: Vector, k: int) -> Pairs:
        """Return all pairs (query, row), in order of the queries; see :class:`CandidateFilter`."""
        query_numbers, row_numbers = np.divmod(np.arange(len(queries) * self._rows, dtype=np.int64), self._rows)
        return query_numbers, row_numbers


def squared_lengths(vectors: Matrix) -> Vector:
    """Return the squared lengths of (n, d) `vectors`, (n,)."""
    lengths: Vector = np.einsum("ij,ij->i", vectors, vectors)
    return lengths


def _inverse_length(squared: Vector | float) -> Vector:
    """Return about 1/√squared, as a power of two: float32 holds the squares of vectors scaled by it."""
    _, exponents = np.frexp(np.maximum(squared, _TINY))
    inverse: Vector = np.ldexp(np.float64(1.0), -(exponents // 2))
    return inverse
