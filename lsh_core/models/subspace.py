"""Model ``subspace``: one token per part of a product quantiser.

H. Jegou, M. Douze, C. Schmid, "Product quantization for nearest neighbor search", IEEE TPAMI 33 (2011), section 3: a
vector is cut into parts, and each part is replaced by the number of its nearest centroid. Here the numbers are not
added up to distances, but used as words: rows are ranked by the number of parts in which they share the query's
cluster.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lsh_core import built_in
from lsh_core.built_in import CLUSTERS
from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.kmeans import distinct_rows, kmeans, row_blocks

ITERATIONS = 10
BLOCK_DISTANCES = 2**18


class Subspace(LSHModel):
    """Model with one token per part of the dimensions: the cluster of the part.

    Parameters
    ----------
    parts
        Number of parts of a vector, at most one per dimension; default from the dimensions.
    clusters
        Clusters of each part. A part with fewer distinct values in the sample has fewer clusters.

    Attributes
    ----------
    centroids_ : (parts_, clusters_, w) float32
        Zero beyond the width of a part narrower than the widest, w, and beyond its clusters.
    counts_ : (parts_,) int64
        Clusters of each part.
    parts_, clusters_
        Values that were used.
    """

    name: ClassVar[str] = built_in.SUBSPACE.name
    summary: ClassVar[str] = built_in.SUBSPACE.summary
    knobs: ClassVar[tuple[Knob, ...]] = built_in.SUBSPACE.knobs
    effort_name: ClassVar[str] = "candidates"
    retrieval: ClassVar[str] = "tables"
    code_noun: ClassVar[str] = "clusters"
    tokens_are_probes: ClassVar[bool] = True

    centroids_: Float32Array
    counts_: Int64Array
    parts_: int
    clusters_: int

    def __init__(
        self, *, metric: str = "l2", seed: int = 0, parts: int | None = None, clusters: int | None = None
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.parts = parts
        self.clusters = clusters

    @staticmethod
    def default_parts(dims: int) -> int:
        """Return the parts of vectors of `dims` components: eight components each, within 32 to 128 parts.

        Figures of other numbers of parts and clusters: docs/decisions/models.md.
        """
        return min(dims, 128, max(32, dims // 8))

    def default_effort(self, rows: int) -> int:
        """Return the number of rows to rerank exactly: a tenth of `rows`, from 200 to 5,000.

        Ranking all rows dominates the cost.
        """
        return max(200, min(5000, rows // 10))

    @property
    def tokens_per_row(self) -> int:
        """One token for each part."""
        self._check_fitted()
        return self.parts_

    @property
    def token_count(self) -> int:
        """One token for each cluster of each part."""
        self._check_fitted()
        return self.parts_ * self.clusters_

    def resized(self, way: int) -> tuple[str, int]:
        """See :class:`LSHModel`."""
        return "clusters", int(self.clusters_ * 2.0**way)

    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        dims = sample.shape[1]
        if self.parts is not None and self.parts > dims:
            raise SettingsError("parts", self.parts, f"is more than the {dims} dimensions of the vectors")
        self.parts_ = self.default_parts(dims) if self.parts is None else self.parts
        self.clusters_ = CLUSTERS if self.clusters is None else self.clusters
        columns = _columns(dims, self.parts_)
        self.centroids_ = np.zeros((self.parts_, self.clusters_, columns.shape[1]), dtype=np.float32)
        self.counts_ = np.empty(self.parts_, dtype=np.int64)
        for part, own in enumerate(columns):
            values = np.ascontiguousarray(sample[:, own[own < dims]])
            draw = distinct_rows(values)
            count = min(self.clusters_, len(draw))
            found = kmeans(values, count, generator, iterations=ITERATIONS, draw=draw)
            self.centroids_[part, :count, : found.shape[1]] = found
            self.counts_[part] = count

    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        numbers = {"parts": self.parts_, "clusters": self.clusters_}
        return numbers, {"centroids": self.centroids_, "counts": self.counts_}

    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        return RowCodes(self._tokens(vectors), None)

    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        return self._tokens(queries, by_product=self._metric.by_product)

    @cached_property
    def _norms(self) -> Float32Array:
        """Return squared lengths of the centroids, (parts, 1, clusters); infinite for missing ones."""
        norms: Float32Array = np.einsum("pcw,pcw->pc", self.centroids_, self.centroids_)[:, np.newaxis]
        return norms + self._missing

    @cached_property
    def _missing(self) -> Float32Array:
        """Return infinity for missing centroids, else 0, (parts, 1, clusters)."""
        missing = np.arange(self.clusters_) >= self.counts_[:, np.newaxis, np.newaxis]
        return np.where(missing, np.float32(np.inf), np.float32(0))

    @cached_property
    def _scaled(self) -> Float32Array:
        """Return -2 times the centroids, (parts, w, clusters)."""
        return np.ascontiguousarray(self.centroids_.transpose(0, 2, 1)) * np.float32(-2.0)

    def _tokens(self, vectors: Float32Array, *, by_product: bool = False) -> Int64Array:
        """Return ``part · clusters + cluster`` of the nearest centroid, or that of the largest product."""
        tokens = np.empty((len(vectors), self.parts_), dtype=np.int64)
        dims = vectors.shape[1]
        columns = _columns(dims, self.parts_)
        block_rows = max(16, min(512, BLOCK_DISTANCES // (self.parts_ * self.clusters_)))
        # One zero more than the vectors have, to pad narrower parts.
        padded = np.zeros((block_rows, dims + 1), dtype=np.float32)
        for block in row_blocks(len(vectors), block_rows):
            rows = vectors[block]
            padded[: len(rows), :dims] = rows
            gaps = padded[: len(rows), columns].transpose(1, 0, 2) @ self._scaled
            gaps += self._missing if by_product else self._norms
            tokens[block] = gaps.argmin(axis=2).T
        tokens += np.arange(self.parts_, dtype=np.int64) * self.clusters_
        return tokens


def _columns(dims: int, parts: int) -> Int64Array:
    """Return the components of each part, (parts, w) int64; narrower parts are padded with `dims`."""
    bounds = np.arange(parts + 1) * dims // parts
    columns = bounds[:-1, np.newaxis] + np.arange(np.diff(bounds).max())
    return np.where(columns < bounds[1:, np.newaxis], columns, dims)
