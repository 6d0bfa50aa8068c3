"""Euclidean distance."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lsh_core import built_in
from lsh_core.metrics.contract import SCORE_ERROR, SCORE_ROUNDING, Metric
from lsh_core.metrics.vectors import Float64Array


class L2(Metric):
    """Euclidean distance, not squared.

    The server's score is ``1 / (1 + d²)`` in float32, in which small distances are lost: 2e-4 comes back as 0.
    """

    name: ClassVar[str] = built_in.L2.name
    summary: ClassVar[str] = built_in.L2.summary
    similarity: ClassVar[str] = "l2_norm"
    exact_filter: ClassVar[Literal["gap", "product"] | None] = "gap"

    def distance_from_score(self, scores: NDArray[Any]) -> Float64Array:
        """See :class:`Metric`."""
        exact = np.asarray(scores, dtype=np.float64)
        return np.sqrt(np.maximum(1.0 / exact - 1.0, 0.0))

    def score_ties(self, distances: NDArray[np.floating]) -> Float64Array:
        """See :class:`Metric`."""
        squared = np.square(np.asarray(distances, dtype=np.float64))
        ties: Float64Array = np.sqrt(squared * (1 + SCORE_ERROR) + SCORE_ROUNDING * (1 + squared))
        return ties

    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """See :class:`Metric`; the squared distance."""
        rows -= queries
        squared: Float64Array = np.einsum("ij,ij->i", rows, rows)
        return squared

    def distances(self, measures: Float64Array) -> Float64Array:
        """See :class:`Metric`."""
        return np.sqrt(measures)
