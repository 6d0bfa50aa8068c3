"""Inner product.

M is the trained norm: the length of the longest row of the sample that a model is fitted on. Each row gets one more
component, so that all rows have the length M. The rows with the largest inner products are then those at the smallest
angles to ``[q, 0]``. Its length decides nothing, so it is scaled to 1. (Y. Bachrach et al., "Speeding up the Xbox
recommender system using a Euclidean transformation for inner-product spaces", RecSys 2014, section 3.) Rows beyond M
get the component 0.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lsh_core import built_in
from lsh_core.metrics.contract import Metric
from lsh_core.metrics.vectors import (
    MIN_SQUARED_LENGTH,
    Float32Array,
    Float64Array,
    count_beyond,
    finite_norms,
    max_norm,
    with_component,
)


class Dot(Metric):
    """Largest inner product; the distance is -x·q.

    The server's score is ``1 + x·q`` where the product is not negative, else ``1 / (1 - x·q)``.
    """

    name: ClassVar[str] = built_in.DOT.name
    summary: ClassVar[str] = built_in.DOT.summary
    similarity: ClassVar[str] = "max_inner_product"
    by_product: ClassVar[bool] = True
    by_angle: ClassVar[bool] = True
    has_negative: ClassVar[bool] = True
    exact_filter: ClassVar[Literal["gap", "product"] | None] = "product"

    def trained_norm(self, sample: Float32Array) -> float:
        """Return the length of the longest row of the sample."""
        return max_norm(np.ascontiguousarray(sample))

    def prepare_rows(self, vectors: Float32Array, norm: float | None = None) -> Float32Array:
        """Return rows of one length, ``(n, d + 1)``; see :class:`Metric`."""
        vectors = np.ascontiguousarray(vectors)
        norms = finite_norms(vectors)
        rest = np.sqrt(np.maximum((norm or 0.0) ** 2 - norms.astype(np.float64), 0.0))
        return with_component(vectors, rest)

    def prepare_queries(self, vectors: Float32Array) -> Float32Array:
        """Return queries of unit length with a component 0, ``(q, d + 1)``; see :class:`Metric`.

        A zero query, for which all rows are equal, is not scaled.
        """
        vectors = np.ascontiguousarray(vectors)
        norms = finite_norms(vectors)
        lengths = np.sqrt(np.where(norms >= MIN_SQUARED_LENGTH, norms, np.float32(1)))
        unit: Float32Array = np.divide(vectors, lengths[:, np.newaxis], dtype=np.float32)
        return with_component(unit, np.zeros(len(vectors)))

    def count_beyond(self, vectors: Float32Array, norm: float | None) -> int:
        """See :class:`Metric`."""
        return 0 if norm is None else count_beyond(vectors, norm)

    def distance_from_score(self, scores: NDArray[Any]) -> Float64Array:
        """See :class:`Metric`."""
        exact = np.asarray(scores, dtype=np.float64)
        return np.where(exact < 1.0, 1.0 / exact - 1.0, 1.0 - exact)

    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """See :class:`Metric`."""
        measured: Float64Array = 0.0 - np.einsum("ij,ij->i", rows, queries)  # Avoids products of -0.
        return measured
