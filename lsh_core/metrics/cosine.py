"""Cosine distance."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lsh_core import built_in
from lsh_core.errors import VectorError
from lsh_core.metrics.contract import Metric
from lsh_core.metrics.vectors import Float32Array, Float64Array, finite_norms

_STORED_ERROR = 1e-6


class Cosine(Metric):
    """One minus the cosine of the angle between two vectors.

    On unit vectors the nearest rows are those at the smallest Euclidean distance: 1 - cos(x, y) = |x - y|²/2. The
    server's score is ``(1 + cos) / 2``.
    """

    name: ClassVar[str] = built_in.COSINE.name
    summary: ClassVar[str] = built_in.COSINE.summary
    similarity: ClassVar[str] = "cosine"
    needs_direction: ClassVar[bool] = True
    by_angle: ClassVar[bool] = True
    exact_filter: ClassVar[Literal["gap", "product"] | None] = "gap"

    def prepare_rows(self, vectors: Float32Array, norm: float | None = None) -> Float32Array:
        """Return rows of unit length; see :class:`Metric`."""
        vectors = np.ascontiguousarray(vectors)
        norms = finite_norms(vectors)
        usable = self.usable(norms)
        if not usable.all():
            raise VectorError(int(usable.argmin()), "has no direction (length zero), which the cosine metric needs")
        unit: Float32Array = np.divide(vectors, np.sqrt(norms)[:, np.newaxis], dtype=np.float32)
        return unit

    def distance_from_score(self, scores: NDArray[Any]) -> Float64Array:
        """See :class:`Metric`."""
        exact = np.asarray(scores, dtype=np.float64)
        return np.maximum(2.0 - 2.0 * exact, 0.0)

    def stored_error(self, vector: Float32Array) -> float:
        """See :class:`Metric`; the server stores direction and length, and multiplies them."""
        return float(_STORED_ERROR * np.linalg.norm(vector))

    def prepare_exact(self, vectors: Float64Array, norms: Float64Array) -> Float64Array:
        """Return vectors of unit length; see :class:`Metric`."""
        return vectors / norms[:, None]

    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """See :class:`Metric`; the squared distance between unit vectors."""
        rows -= queries
        squared: Float64Array = np.einsum("ij,ij->i", rows, rows)
        return squared

    def distances(self, measures: Float64Array) -> Float64Array:
        """See :class:`Metric`."""
        return measures / 2
