"""Manhattan distance, which the server does not know: the client compares the rows."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lsh_core.metrics.contract import Metric
from lsh_core.metrics.vectors import Float64Array


class L1(Metric):
    """Sum of absolute differences.

    Models partition space by Euclidean distances, which are near enough to choose the rows that are scored.
    """

    name: ClassVar[str] = "l1"
    summary: ClassVar[str] = "sum of absolute differences"
    similarity: ClassVar[str] = "l2_norm"
    server_scores: ClassVar[bool] = False

    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """Return the distance of each pair."""
        rows -= queries
        measured: Float64Array = np.abs(rows, out=rows).sum(axis=1)
        return measured
