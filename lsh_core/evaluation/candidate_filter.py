"""Filters pairs of query and row that may be nearest, by float32 products and a bound for their rounding.


With g = (d + 4)·2⁻²³, x·q in float32 is off by at most g|x||q|, and |x|² and |q|² by g times themselves (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1, with a factor of two to spare). That holds for
any order of the sums and for fused multiplications, so for any library and device, as long as the input is not rounded
to fewer bits. Numbers below the smallest normal one may be taken for zero, as TensorFlow does: that much is added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsh_core.backends import Backend
from lsh_core.evaluation.float32_products import Float32Matrix, Pairs, load_rows

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny
_LOST = 8 * float(np.finfo(np.float32).tiny)
"""What one term of a product of scaled vectors is off by at most, where small numbers are taken for zero."""


class _Scaled(NamedTuple):
    """Queries to multiply rows with. Of query i and row j, measure · scale[i] - base[i] is known up to slack[i].

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
    """A block of rows that queries are compared with.

    Parameters
    ----------
    rows : (n, d)
    longest_query
        Squared length of the longest of all queries that will come.
    by_product
        Whether the measure is -x·q; else it is |x - q|².
    backend
        What multiplies.
    """

    def __init__(self, rows: Matrix, longest_query: float, *, by_product: bool, backend: Backend) -> None:
        self._by_product = by_product
        self._count, dims = rows.shape
        self._bound, self._floor = (dims + 4) * 2.0**-23, (dims + 4) * _LOST
        norms = squared_lengths(rows)
        self._longest = float(norms.max())
        if by_product:
            # |x||q| is little next to |q|² where q is long and all rows are short: they have scales of their own.
            self._scale = float(_inverse_length(self._longest))
            scaled = (rows * self._scale).astype(np.float32)
        else:
            self._scale = float(_inverse_length(max(self._longest, longest_query)))
            # |x|² is one more term of the product: to add it later would be another pass over all of them.
            scaled = np.empty((self._count, dims + 1), np.float32)
            scaled[:, :-1], scaled[:, -1] = rows * self._scale, norms * self._scale**2
        self._rows = load_rows(scaled, backend)

    def pairs(self, queries: Matrix, worst: Vector, k: int) -> Pairs:
        """Return the pairs (query, row) that may be among the k nearest, sorted by query.

        Parameters
        ----------
        queries : (q, d)
        worst : (q,)
            Measure of the k-th nearest row so far; infinite where fewer were seen.
        """
        scaled, scale, base, slack = self._for_products(queries) if self._by_product else self._for_gaps(queries)
        products = self._rows.times(scaled)
        limit = worst * scale - base + slack
        if np.isinf(worst).any() and k < self._count:
            # Nothing to compare with yet: the k-th best of this block, by the sieve's own reckoning.
            limit = np.minimum(limit, products.smallest(k).astype(np.float64) + 2 * slack)
        # Rounded up: a limit rounded down would lose the very row that sets it.
        with np.errstate(over="ignore"):
            return products.at_most(np.nextafter(limit.astype(np.float32), np.float32(np.inf)))

    def _for_gaps(self, queries: Matrix) -> _Scaled:
        """Estimate |x - q|² by |x|² - 2x·q, less |q|²: off by at most 2g(|x| + |q|)²."""
        norms, square = squared_lengths(queries), self._scale**2
        scaled = np.ones((len(queries), queries.shape[1] + 1), np.float32)
        scaled[:, :-1] = queries * (-2 * self._scale)
        slack = 2 * self._bound * square * (np.sqrt(norms) + np.sqrt(self._longest)) ** 2 + self._floor
        return _Scaled(scaled, np.full(len(queries), square), norms * square, slack)

    def _for_products(self, queries: Matrix) -> _Scaled:
        """Estimate -x·q: off by at most g|x||q|."""
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
    """Squared lengths of the rows of (n, d) `vectors`, (n,)."""
    lengths: Vector = np.einsum("ij,ij->i", vectors, vectors)
    return lengths


def _inverse_length(squared: Vector | float) -> Vector:
    """About 1/√squared, a power of two: so scaled, float32 can hold the squares of whatever float64 could."""
    _, exponents = np.frexp(np.maximum(squared, _TINY))
    inverse: Vector = np.ldexp(np.float64(1.0), -(exponents // 2))
    return inverse
