"""Manhattan distance, which the server scores by a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.contract import Metric
from lsh_core.metrics.vectors import Float64Array


class L1(Metric):
    """Sum of absolute differences.

    Models partition space by Euclidean distances, which are near enough to choose the rows that are scored.
    """

    name: ClassVar[str] = "l1"
    label: ClassVar[str] = "sum of absolute differences"
    similarity: ClassVar[str] = "l2_norm"
    server_scores: ClassVar[bool] = False

    def scored_query(
        self, field: str, target: Mapping[str, Any], *, k: int, filter: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a ``script_score`` query; rows without a vector are left out."""
        quoted = field.replace("\\", "\\\\").replace("'", "\\'")
        among = [{"exists": {"field": field}}, *([] if filter is None else [filter])]
        script = {
            "source": f"1 / (1 + l1norm(params.query_vector, '{quoted}'))",
            "params": {"query_vector": target["query_vector"]},
        }
        return {"script_score": {"query": {"bool": {"filter": among}}, "script": script}}

    def distance_from_score(self, scores: NDArray[Any]) -> Float64Array:
        """Return distances of the scores ``1 / (1 + d)``."""
        return np.maximum(1.0 / np.asarray(scores, dtype=np.float64) - 1.0, 0.0)

    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """Return the distance of each pair."""
        rows -= queries
        measured: Float64Array = np.abs(rows, out=rows).sum(axis=1)
        return measured
