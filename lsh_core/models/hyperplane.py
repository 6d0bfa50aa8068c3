"""Model ``hyperplane``: rows on the same sides of a table's planes share a token.

M. Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002 (signs of projections), with planes
that follow the data as in elastiknn and EsAknn: each is the perpendicular bisector of two sampled vectors. Under cosine
the vectors have unit length, so that bisectors go through the origin. Under dot all rows have the same length, and the
side of a query to a plane through the origin does not depend on the query's length. (B. Neyshabur and N. Srebro, "On
symmetric and asymmetric LSHs for inner product search", ICML 2015, section 4.) A query probes several buckets of a
table (see :mod:`lsh_core.models.multiprobe`).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lsh_core import built_in
from lsh_core.built_in import MULTIPROBE, TABLES
from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob
from lsh_core.metrics import metric_named
from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.kmeans import distinct_rows, row_blocks
from lsh_core.models.multiprobe import nearest_buckets
from lsh_core.models.tensorflow_hashing import TensorFlowPlanes

PRODUCT_FEWER_BITS = 5
# Clauses of one query that the server accepts with any heap.
MAX_QUERY_TOKENS = 1024
BLOCK_BITS = 2**18
QUERY_BLOCK = 64


class Hyperplane(LSHModel):
    """Several tables of hyperplane bits.

    Parameters
    ----------
    tables
        Tokens of each row.
    bits
        Planes of a table; default from the rows of the index.
    multiprobe
        Further buckets of each table that a query probes beside its own, at most all. It changes nothing that is
        indexed, but decides how many tables and bits are needed. So it is chosen once, with them, and a query only
        chooses `candidates`.
    hash_backend
        Backend that encodes: ``"numpy"``, ``"tensorflow"`` or ``"auto"``; see :func:`lsh_core.backends.choose_backend`.

    Attributes
    ----------
    normals_ : (tables_ · bits_, d) float32, under ``dot`` d + 1
    offsets_ : (tables_ · bits_,) float32
        A row's bit is set where ``row · normal > offset``.
    """

    name: ClassVar[str] = built_in.HYPERPLANE.name
    summary: ClassVar[str] = built_in.HYPERPLANE.summary
    knobs: ClassVar[tuple[Knob, ...]] = built_in.HYPERPLANE.knobs
    effort_name: ClassVar[str] = "candidates"
    retrieval: ClassVar[str] = "tables"
    code_noun: ClassVar[str] = "buckets"
    max_touched: ClassVar[float] = 0.6
    has_rare_tokens: ClassVar[bool] = True

    normals_: Float32Array
    offsets_: Float32Array
    tables_: int
    bits_: int
    multiprobe_: int = 0  # Value of a model that was stored without it.

    def __init__(
        self,
        *,
        metric: str = "l2",
        seed: int = 0,
        tables: int | None = None,
        bits: int | None = None,
        multiprobe: int | None = None,
        hash_backend: str = "numpy",
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.tables = tables
        self.bits = bits
        self.multiprobe = multiprobe
        self.hash_backend = hash_backend

    @staticmethod
    def default_bits(rows: int, metric: str = "l2") -> int:
        """Return the bits per table: a query then matches a fifth to a half of the rows.

        Fewer bits and more buckets find more neighbours, and match more rows, which the server must rank. (Figures:
        docs/decisions/models.md.) Under ``dot`` the angles between queries and their best rows are wider, so tables
        have 5 bits fewer.
        """
        bits = round(math.log2(rows)) - 3
        return min(20, max(4, bits - PRODUCT_FEWER_BITS if metric_named(metric).by_product else bits))

    def default_effort(self, rows: int) -> int:
        """Return the number of rows to rerank exactly: a tenth of `rows`, from 200 to 2,000."""
        return max(200, min(2000, rows // 10))

    @property
    def tokens_per_row(self) -> int:
        """One token for each table."""
        self._check_fitted()
        return self.tables_

    @property
    def token_count(self) -> int:
        """Number of tokens: 2^bits for each table."""
        self._check_fitted()
        return self.tables_ << self.bits_

    def resized(self, way: int) -> tuple[str, int]:
        """Return bits for four times as many buckets, or a quarter; see :class:`LSHModel`."""
        return "bits", self.bits_ + 2 * way

    def _check_settings(self) -> None:
        super()._check_settings()
        tables = self.tables or TABLES
        if self.multiprobe is not None and self.multiprobe > _max_multiprobe(tables):
            reason = f"makes too many tokens of a query with {tables} tables: at most {_max_multiprobe(tables)}"
            raise SettingsError("multiprobe", self.multiprobe, reason)

    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        self.tables_ = TABLES if self.tables is None else self.tables
        self.bits_ = self.default_bits(rows, self.metric) if self.bits is None else self.bits
        wanted = min(MULTIPROBE, _max_multiprobe(self.tables_)) if self.multiprobe is None else self.multiprobe
        self.multiprobe_ = min(wanted, 2**self.bits_ - 1)
        normals, middles = _bisectors(sample, self.tables_ * self.bits_, generator)
        self.normals_ = normals
        self.offsets_ = np.einsum("ij,ij->i", normals, middles)
        if self._metric.by_angle:
            self.offsets_ = np.zeros_like(self.offsets_)

    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        numbers = {"tables": self.tables_, "bits": self.bits_, "multiprobe": self.multiprobe_}
        return numbers, {"normals": self.normals_, "offsets": self.offsets_}

    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        if self.backend_ == "tensorflow":
            return RowCodes(self._planes_in_tensorflow.tokens(vectors), None)
        return RowCodes(self._tokens(vectors), None)

    @cached_property
    def _planes_in_tensorflow(self) -> TensorFlowPlanes:
        return TensorFlowPlanes(self.normals_, self.offsets_, self.tables_)

    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        own = self._tokens(queries)
        if not self.multiprobe_:
            return own
        found = np.empty((len(queries), (1 + self.multiprobe_) * self.tables_), dtype=np.int64)
        found[:, : self.tables_] = own
        for block in row_blocks(len(queries), QUERY_BLOCK):
            distances = np.abs(queries[block] @ self.normals_.T - self.offsets_)
            differ = nearest_buckets(distances.reshape(-1, self.tables_, self.bits_), self.multiprobe_)
            others = own[block, :, np.newaxis] ^ differ
            # The second bucket of every table, then the third of every table, and so on.
            found[block, self.tables_ :] = others.transpose(0, 2, 1).reshape(len(others), -1)
        return found

    def _tokens(self, vectors: Float32Array) -> Int64Array:
        """Return ``table << bits | code`` for each row and table."""
        width = next(width for width in (8, 16, 32) if width >= self.bits_)
        tokens = np.empty((len(vectors), self.tables_), dtype=np.int64)
        block_rows = max(16, min(512, BLOCK_BITS // (self.tables_ * self.bits_)))
        # Columns beyond `bits_` stay zero, to fill integers of eight, sixteen or thirty-two bits.
        sides = np.zeros((block_rows, self.tables_, width), dtype=bool)
        offsets = self.offsets_.reshape(self.tables_, self.bits_)
        for block in row_blocks(len(vectors), block_rows):
            projected = vectors[block] @ self.normals_.T
            used = sides[: len(projected)]
            np.greater(projected.reshape(-1, self.tables_, self.bits_), offsets, out=used[:, :, : self.bits_])
            packed = np.packbits(used, axis=2, bitorder="little")
            tokens[block] = packed.view(f"<u{width // 8}")[:, :, 0]
        tokens |= np.arange(self.tables_, dtype=np.int64) << self.bits_
        return tokens


def _max_multiprobe(tables: int) -> int:
    return MAX_QUERY_TOKENS // tables - 1


def _bisectors(sample: Float32Array, planes: int, generator: np.random.Generator) -> tuple[Float32Array, Float32Array]:
    """Return unit normals of planes between pairs of distinct rows, and their midpoints, ``(planes, d)`` both."""
    draw = distinct_rows(sample)
    if len(draw) > 1:
        first = generator.integers(len(draw), size=planes)
        step = generator.integers(1, len(draw), size=planes)
        left, right = sample[draw[first]], sample[draw[(first + step) % len(draw)]]
        normals, middles = right - left, (left + right) * np.float32(0.5)
    else:
        # There is nothing to bisect: a plane of any direction, slightly beside the one point, will do.
        normals = generator.standard_normal((planes, sample.shape[1]), dtype=np.float32)
        middles = sample[0] - normals
    lengths = np.sqrt(squared_norms(normals), dtype=np.float32)
    return normals / np.maximum(lengths, np.finfo(np.float32).tiny)[:, np.newaxis], middles
