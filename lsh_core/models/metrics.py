"""The metrics, defined once: what is hashed, what the server calls them, and what ``distance`` means.

========  ===================  =========================  ==========================
metric    server `similarity`  vector that is hashed      distance
========  ===================  =========================  ==========================
l2        ``l2_norm``          as it is                   Euclidean, not squared
cosine    ``cosine``           scaled to unit length      1 - cos
========  ===================  =========================  ==========================
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lsh_core.errors import SettingsError, VectorError
from lsh_core.models.arrays import Float32Array

SIMILARITY: Final[dict[str, str]] = {"l2": "l2_norm", "cosine": "cosine"}


def check_metric(metric: str) -> str:
    """Return `metric` if it is known; raise :class:`SettingsError` otherwise."""
    if metric not in SIMILARITY:
        raise SettingsError("metric", metric, f"must be one of {', '.join(SIMILARITY)}")
    return metric


def squared_norms(vectors: Float32Array) -> Float32Array:
    """Squared lengths of the rows of ``(n, d)`` `vectors`, as ``(n,)`` float32."""
    norms: Float32Array = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def prepare(vectors: Float32Array, metric: str) -> Float32Array:
    """Return what is hashed instead of `vectors`: the rows themselves, or for cosine the rows at unit length.

    Parameters
    ----------
    vectors : (n, d) float32
        Finite vectors; not changed.
    metric
        ``"l2"`` or ``"cosine"``.

    Returns
    -------
    (n, d) float32, C-contiguous. For ``l2`` it is `vectors` itself where that is contiguous already.

    Raises
    ------
    VectorError
        A row that is not finite, too long for float32, or under cosine has no direction; the
        error names the first such row.
    """
    check_metric(metric)
    vectors = np.ascontiguousarray(vectors)
    with np.errstate(over="ignore", invalid="ignore"):
        norms = squared_norms(vectors)
    finite = np.isfinite(norms)
    if not finite.all():
        row = int(finite.argmin())
        raise VectorError(row, "has a component that is not finite, or a length beyond float32")
    if metric == "l2":
        return vectors
    # Below the smallest normal number the squared length has lost its digits; the server refuses such rows too.
    usable = norms >= np.finfo(np.float32).tiny
    if not usable.all():
        raise VectorError(int(usable.argmin()), "has no direction (length zero), which the cosine metric needs")
    unit: Float32Array = np.divide(vectors, np.sqrt(norms)[:, np.newaxis], dtype=np.float32)
    return unit


def distance_from_score(scores: np.ndarray, metric: str) -> np.ndarray:
    """Turn Elasticsearch scores into distances.

    The server answers ``1 / (1 + d²)`` for ``l2`` and ``(1 + cos) / 2`` for ``cosine``, in float32: small
    distances are lost in it (an L2 of 2e-4 comes back as 0).

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
    return np.maximum(2.0 - 2.0 * exact, 0.0)
