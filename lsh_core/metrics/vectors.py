"""Computes lengths of float32 vectors."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lsh_core.errors import VectorError

Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]

MIN_SQUARED_LENGTH = np.finfo(np.float32).tiny
"""A squared length below the smallest normal number has lost its digits; the server refuses such rows under cosine."""
# A length is off by a few of its last bits.
_ROUNDING = 1e-6


def squared_norms(vectors: Float32Array) -> Float32Array:
    """Return squared lengths of ``(n, d)`` `vectors`, ``(n,)`` float32."""
    norms: Float32Array = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def finite_norms(vectors: Float32Array) -> Float32Array:
    """Return squared lengths, ``(n,)`` float32; raise :class:`VectorError` for the first non-finite one."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = squared_norms(vectors)
    finite = np.isfinite(norms)
    if not finite.all():
        row = int(finite.argmin())
        raise VectorError(row, "has a component that is not finite, or a length beyond float32")
    return norms


def max_norm(vectors: Float32Array) -> float:
    """Return the length of the longest of ``(n, d)`` `vectors`; raise :class:`VectorError` for non-finite rows."""
    return float(np.sqrt(finite_norms(vectors).max()))


def count_beyond(vectors: Float32Array, norm: float) -> int:
    """Return the number of ``(n, d)`` `vectors` longer than `norm`."""
    return int((np.sqrt(squared_norms(vectors)) > norm * (1 + _ROUNDING)).sum())


def with_component(vectors: Float32Array, component: NDArray[Any]) -> Float32Array:
    """Return `vectors` with one component more, ``(n,)``, as ``(n, d + 1)`` float32."""
    extended = np.empty((len(vectors), vectors.shape[1] + 1), dtype=np.float32)
    extended[:, :-1], extended[:, -1] = vectors, component
    return extended
