"""Which pairs of query and row may be among the nearest, by a float32 matrix product and a bound for its rounding.

With g = (d + 4)·2⁻²³, x·q in float32 is off by at most g|x||q|, and |x|² and |q|² by g times themselves (Higham,
*Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1, with a factor of two to spare).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny


class _Estimates(NamedTuple):
    """What float32 says of measures: of query i and row j, measure · scale[i] - base[i] is known up to slack[i].

    Attributes
    ----------
    found : (q, n) float32
    scale, base, slack : (q,) float64
    """

    found: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]
    slack: npt.NDArray[np.float64]


def sieve(
    rows: Matrix, queries: Matrix, worst: npt.NDArray[np.float64], k: int, *, by_product: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs (query, row) that may be among the k nearest, in order of the queries.

    Parameters
    ----------
    rows, queries : (n, d) and (q, d)
    worst : (q,)
        Measure of the k-th nearest row so far; infinite where fewer were seen.
    by_product
        Whether the measure is -x·q; else it is |x - q|².
    """
    found, scale, base, slack = _products(rows, queries) if by_product else _squared_gaps(rows, queries)
    limit = worst * scale - base + slack
    if np.isinf(worst).any() and k < len(rows):
        # Nothing to compare with yet: the k-th best of this block, by the sieve's own reckoning.
        best = np.partition(found, k - 1, axis=1)[:, k - 1].astype(np.float64)
        limit = np.minimum(limit, best + 2 * slack)
    # Rounded up: a limit rounded down would lose the very row that sets it.
    with np.errstate(over="ignore"):
        rounded = np.nextafter(limit.astype(np.float32), np.float32(np.inf))
    query_numbers, row_numbers = np.nonzero(found <= rounded[:, None])
    return query_numbers, row_numbers


def _squared_gaps(rows: Matrix, queries: Matrix) -> _Estimates:
    """Estimate |x - q|² by |x|² - 2x·q, less |q|²: off by at most 2g(|x| + |q|)²."""
    row_norms, query_norms = _squared(rows), _squared(queries)
    scale = float(_inverse_length(max(float(row_norms.max()), float(query_norms.max()))))
    # |x|² is one more term of the product: to add it later would be another pass over all of them.
    left = np.ones((len(queries), queries.shape[1] + 1), np.float32)
    left[:, :-1] = queries * (-2 * scale)
    right = np.empty((len(rows), rows.shape[1] + 1), np.float32)
    right[:, :-1], right[:, -1] = rows * scale, row_norms * scale**2
    found = left @ right.T
    slack = 2 * _bound(rows) * scale**2 * (np.sqrt(query_norms) + np.sqrt(row_norms.max())) ** 2
    return _Estimates(found, np.full(len(queries), scale**2), query_norms * scale**2, slack)


def _products(rows: Matrix, queries: Matrix) -> _Estimates:
    """Estimate -x·q: off by at most g|x||q|.

    That is little next to |q|² where q is long and all rows are short, so rows and queries have scales of their own.
    """
    longest, query_norms = float(_squared(rows).max()), _squared(queries)
    row_scale, query_scales = _inverse_length(longest), _inverse_length(query_norms)
    found = (queries * -query_scales[:, None]).astype(np.float32) @ (rows * row_scale).astype(np.float32).T
    scale = row_scale * query_scales
    slack = _bound(rows) * np.sqrt(query_norms) * np.sqrt(longest) * scale
    return _Estimates(found, scale, np.zeros(len(queries)), slack)


def _squared(vectors: Matrix) -> npt.NDArray[np.float64]:
    norms: npt.NDArray[np.float64] = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def _bound(rows: Matrix) -> float:
    return float((rows.shape[1] + 4) * 2.0**-23)


def _inverse_length(squared: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """About 1/√squared, a power of two: so scaled, float32 can hold the squares of whatever float64 could."""
    _, exponents = np.frexp(np.maximum(squared, _TINY))
    inverse: npt.NDArray[np.float64] = np.ldexp(np.float64(1.0), -(exponents // 2))
    return inverse
