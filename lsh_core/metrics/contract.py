"""Contract of a metric: everything that depends on the distance between vectors.

========  =====================  ==============================  ==================  ======================
metric    server `similarity`    row that is hashed              query               distance
========  =====================  ==============================  ==================  ======================
l2        ``l2_norm``            as it is                        as it is            Euclidean, not squared
cosine    ``cosine``             scaled to unit length           the same            1 - cos
dot       ``max_inner_product``  ``[x, sqrt(M² - |x|²)]``        ``[q, 0]``          -x·q
========  =====================  ==============================  ==================  ======================

Another metric is a subclass of :class:`Metric`, registered under the entry point group ``airlsh.metrics``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lsh_core.metrics.vectors import MIN_SQUARED_LENGTH, Float32Array, Float64Array, finite_norms

SCORE_ERROR = 1e-6
"""Relative error of a score's sum."""
SCORE_ROUNDING = 2.0**-23
"""Error of a score near 1 by its rounding to float32."""


class Metric(ABC):
    """Distance between vectors, for models, server, evaluation and reports.

    A metric has no state. The attributes are constants of the class.

    Attributes
    ----------
    name
        Name in settings, on the command line and in stored models and builds.
    summary
        Description in a few words, for forms and help: "Euclidean distance".
    similarity
        ``similarity`` of the server's ``dense_vector`` field. A metric that the server lacks takes a similarity that
        refuses none of its vectors.
    server_scores
        Whether the server scores a field of this `similarity` by this metric. If not, the client compares rows, at most
        10,000 per search, and models must be searched by lists.
    needs_direction
        Whether vectors of length zero cannot be compared.
    by_product
        Whether the nearest rows are those with the largest inner product, so that rows and queries are prepared
        differently. The tokens of a stored row then differ from the tokens of a query with the row's vector.
    by_angle
        Whether only angles between prepared vectors matter, so that planes go through the origin.
    has_negative
        Whether a distance may be negative, so that ratios of distances are meaningless.
    exact_filter
        Bound that lets a float32 matrix product discard pairs before `measure` is called: ``"gap"`` where `measure` is
        |x - q|², ``"product"`` where it is -x·q, None where every pair is measured.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    similarity: ClassVar[str]
    server_scores: ClassVar[bool] = True
    needs_direction: ClassVar[bool] = False
    by_product: ClassVar[bool] = False
    by_angle: ClassVar[bool] = False
    has_negative: ClassVar[bool] = False
    exact_filter: ClassVar[Literal["gap", "product"] | None] = None

    # Vectors.

    def usable(self, squared_norms: Float32Array) -> NDArray[np.bool_]:
        """Return which finite vectors can be compared, from their squared lengths."""
        if self.needs_direction:
            return squared_norms >= MIN_SQUARED_LENGTH
        return np.ones(len(squared_norms), dtype=bool)

    def trained_norm(self, sample: Float32Array) -> float | None:
        """Return the trained norm of an ``(n, d)`` sample; None for metrics without one."""
        return None

    def prepare_rows(self, vectors: Float32Array, norm: float | None = None) -> Float32Array:
        """Return the vectors that are hashed in place of rows.

        Parameters
        ----------
        vectors : (n, d) float32
            Vectors, which are not changed.
        norm
            Result of `trained_norm` for the sample.

        Returns
        -------
        (n, d) float32, C-contiguous; for a metric with a trained norm (n, d + 1).

        Raises
        ------
        VectorError
            A row is not finite, too long for float32, or cannot be compared; the error names the first such row.
        """
        vectors = np.ascontiguousarray(vectors)
        finite_norms(vectors)
        return vectors

    def prepare_queries(self, vectors: Float32Array) -> Float32Array:
        """Return the vectors that are hashed in place of queries ``(q, d)``; see `prepare_rows`."""
        return self.prepare_rows(vectors)

    def count_beyond(self, vectors: Float32Array, norm: float | None) -> int:
        """Return the number of rows beyond the trained norm, which are found less reliably."""
        return 0

    # The server.

    def scored_query(
        self, field: str, target: Mapping[str, Any], *, k: int, filter: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the query clause that scores all rows that pass `filter` exactly.

        Parameters
        ----------
        field
            Flat ``dense_vector`` field of the rows.
        target
            Vector to compare rows with, as in a ``knn`` query: ``query_vector``, or for metrics with `server_scores` a
            ``query_vector_builder`` as well.
        k
            Number of rows per shard.
        """
        knn: dict[str, Any] = {"field": field, "k": k, "num_candidates": k, **target}
        if filter is not None:
            knn["filter"] = filter
        return {"knn": knn}

    def distance_from_score(self, scores: NDArray[Any]) -> Float64Array:
        """Turn scores, of any shape, into distances.

        They are the server's positive scores of `scored_query`. Without `server_scores` the client scores a row by its
        negative distance.
        """
        return -np.asarray(scores, dtype=np.float64)

    def score_ties(self, distances: NDArray[np.floating]) -> Float64Array:
        """Return the largest distance that may share a float32 score with each distance."""
        exact = np.asarray(distances, dtype=np.float64)
        return exact + 2 * SCORE_ERROR * (1 + np.abs(exact))

    def stored_error(self, vector: Float32Array) -> float:
        """Return the largest change of a number of `vector` when the server stores it."""
        return 0.0

    # Exact distances.

    def prepare_exact(self, vectors: Float64Array, norms: Float64Array) -> Float64Array:
        """Return finite vectors ``(n, d)`` of lengths ``(n,)`` as `measure` takes them."""
        return vectors

    @abstractmethod
    def measure(self, rows: Float64Array, queries: Float64Array) -> Float64Array:
        """Return a number for each pair, ``(m,)``, that grows with the distance.

        Parameters
        ----------
        rows, queries : (m, d) float64
            Pairs of prepared vectors. `rows` may be overwritten.
        """

    def distances(self, measures: Float64Array) -> Float64Array:
        """Turn what `measure` returned, of any shape, into distances."""
        return measures
