"""The metrics, defined once: what is hashed, what the server calls them, and what ``distance`` means.

========  =====================  ==============================  ==================  ======================
metric    server `similarity`    row that is hashed              query               distance
========  =====================  ==============================  ==================  ======================
l2        ``l2_norm``            as it is                        as it is            Euclidean, not squared
cosine    ``cosine``             scaled to unit length           the same            1 - cos
dot       ``max_inner_product``  ``[x, sqrt(M² - |x|²)]``        ``[q, 0]``          -x·q
========  =====================  ==============================  ==================  ======================

M is the length of the longest row of the sample that a model is fitted on. With the component more every row has
that length, so that the rows with the largest inner products are those at the smallest angles to ``[q, 0]``, whose
length decides nothing: it is scaled to 1. (Y. Bachrach et al., "Speeding up the Xbox recommender system using a
Euclidean transformation for inner-product spaces", RecSys 2014, section 3.) Rows longer than M are given a 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lsh_core.errors import SettingsError, VectorError
from lsh_core.models.arrays import Float32Array

SIMILARITY: Final[dict[str, str]] = {"l2": "l2_norm", "cosine": "cosine", "dot": "max_inner_product"}

# Below the smallest normal number a squared length has lost its digits; under cosine the server refuses such rows too.
_SHORTEST_SQUARED = np.finfo(np.float32).tiny
# A length is off by a few of its last bits.
_ROUNDING = 1e-6


def check_metric(metric: str) -> str:
    """Return `metric` if it is known; raise :class:`SettingsError` otherwise."""
    if metric not in SIMILARITY:
        raise SettingsError("metric", metric, f"must be one of {', '.join(SIMILARITY)}")
    return metric


def squared_norms(vectors: Float32Array) -> Float32Array:
    """Squared lengths of the rows of ``(n, d)`` `vectors`, as ``(n,)`` float32."""
    norms: Float32Array = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def longest_row(vectors: Float32Array) -> float:
    """The length of the longest of ``(n, d)`` `vectors`; raise :class:`VectorError` for rows that are not finite."""
    return float(np.sqrt(_finite_norms(vectors).max()))


def count_longer(vectors: Float32Array, longest: float) -> int:
    """How many of ``(n, d)`` `vectors` are longer than `longest`."""
    return int((np.sqrt(squared_norms(vectors)) > longest * (1 + _ROUNDING)).sum())


def prepare_rows(vectors: Float32Array, metric: str, longest: float = 0.0) -> Float32Array:
    """Return what is hashed instead of the rows `vectors`.

    Parameters
    ----------
    vectors : (n, d) float32
        Finite vectors; not changed.
    metric
        ``"l2"``, ``"cosine"`` or ``"dot"``.
    longest
        What ``dot`` takes for the length of the longest row; other metrics need none.

    Returns
    -------
    (n, d) float32, under ``dot`` (n, d + 1); C-contiguous. For ``l2`` it is `vectors` itself where that is
    contiguous already.

    Raises
    ------
    VectorError
        A row that is not finite, too long for float32, or under cosine has no direction; the
        error names the first such row.
    """
    check_metric(metric)
    vectors = np.ascontiguousarray(vectors)
    norms = _finite_norms(vectors)
    if metric == "cosine":
        return _unit(vectors, norms)
    if metric == "dot":
        rest = np.sqrt(np.maximum(longest**2 - norms.astype(np.float64), 0.0))
        return _with_component(vectors, rest)
    return vectors


def prepare_queries(vectors: Float32Array, metric: str) -> Float32Array:
    """Return what is hashed instead of the queries `vectors`: like rows, but under ``dot``.

    Parameters
    ----------
    vectors : (q, d) float32
        Finite vectors; not changed.

    Returns
    -------
    (q, d) float32, C-contiguous. Under ``dot`` (q, d + 1): of unit length, the last component 0; a query without
    a direction, for which every row is as good as another, is not scaled.

    Raises
    ------
    VectorError
        As `prepare_rows`.
    """
    if metric != "dot":
        return prepare_rows(vectors, metric)
    vectors = np.ascontiguousarray(vectors)
    norms = _finite_norms(vectors)
    lengths = np.sqrt(np.where(norms >= _SHORTEST_SQUARED, norms, np.float32(1)))
    unit: Float32Array = np.divide(vectors, lengths[:, np.newaxis], dtype=np.float32)
    return _with_component(unit, np.zeros(len(vectors)))


def _finite_norms(vectors: Float32Array) -> Float32Array:
    """Squared lengths, ``(n,)`` float32; raise :class:`VectorError` for the first that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = squared_norms(vectors)
    finite = np.isfinite(norms)
    if not finite.all():
        row = int(finite.argmin())
        raise VectorError(row, "has a component that is not finite, or a length beyond float32")
    return norms


def _unit(vectors: Float32Array, norms: Float32Array) -> Float32Array:
    usable = norms >= _SHORTEST_SQUARED
    if not usable.all():
        raise VectorError(int(usable.argmin()), "has no direction (length zero), which the cosine metric needs")
    unit: Float32Array = np.divide(vectors, np.sqrt(norms)[:, np.newaxis], dtype=np.float32)
    return unit


def _with_component(vectors: Float32Array, component: np.ndarray) -> Float32Array:
    """``(n, d + 1)`` float32: `vectors` with one component more, ``(n,)``."""
    longer = np.empty((len(vectors), vectors.shape[1] + 1), dtype=np.float32)
    longer[:, :-1], longer[:, -1] = vectors, component
    return longer


def distance_from_score(scores: np.ndarray, metric: str) -> np.ndarray:
    """Turn Elasticsearch scores into distances.

    The server answers ``1 / (1 + d²)`` for ``l2``, ``(1 + cos) / 2`` for ``cosine``, and for ``dot`` ``1 + x·q``
    where that product is not negative, else ``1 / (1 - x·q)``; in float32: small distances are lost in it (an L2 of
    2e-4 comes back as 0).

    Parameters
    ----------
    scores : any shape, float
        Positive scores.

    Returns
    -------
    float64 of the same shape.
    """
    check_metric(metric)
    exact = np.asarray(scores, dtype=np.float64)
    if metric == "l2":
        return np.sqrt(np.maximum(1.0 / exact - 1.0, 0.0))
    if metric == "dot":
        return np.where(exact < 1.0, 1.0 / exact - 1.0, 1.0 - exact)
    return np.maximum(2.0 - 2.0 * exact, 0.0)
