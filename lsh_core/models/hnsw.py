"""Model ``hnsw``: options of the server's own graph, without tokens.

Y. Malkov and D. Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small
world graphs", IEEE TPAMI 42 (2020), as Elasticsearch builds it over unquantised vectors.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lsh_core import built_in
from lsh_core.built_in import EF_CONSTRUCTION, NEIGHBOURS
from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.contract import LSHModel, RowCodes

SAMPLE_ROWS = 1_000
NUM_CANDIDATES = 150


class HNSW(LSHModel):
    """Model that holds the options of the server's graph.

    A fit learns the number of dimensions and nothing else; rows get no tokens.

    Parameters
    ----------
    m
        Neighbours of a row in the graph; default 16, the server's default.
    ef_construction
        Rows that are compared with a new row to find its neighbours; default 100, the server's default.

    Attributes
    ----------
    m_, ef_construction_
        Options that were used.
    """

    name: ClassVar[str] = built_in.HNSW.name
    summary: ClassVar[str] = built_in.HNSW.summary
    knobs: ClassVar[tuple[Knob, ...]] = built_in.HNSW.knobs
    effort_name: ClassVar[str] = "num_candidates"
    retrieval: ClassVar[str] = "graph"

    m_: int
    ef_construction_: int

    def __init__(
        self, *, metric: str = "l2", seed: int = 0, m: int | None = None, ef_construction: int | None = None
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.m = m
        self.ef_construction = ef_construction

    def default_effort(self, rows: int) -> int:
        """Return the rows that each shard's graph search keeps.

        Recall@10 is .98 on 63,166 text embeddings, 384-d.
        """
        return NUM_CANDIDATES

    @classmethod
    def default_sample(cls, rows: int, dims: int) -> int:
        """Return the number of rows to read for their dimensions; some may be invalid."""
        return max(2, min(rows, SAMPLE_ROWS))

    @property
    def tokens_per_row(self) -> int:
        """None."""
        self._check_fitted()
        return 0

    @property
    def token_count(self) -> int:
        """None."""
        self._check_fitted()
        return 0

    @property
    def graph(self) -> dict[str, int]:
        """Options of the server's graph."""
        self._check_fitted()
        return {"m": self.m_, "ef_construction": self.ef_construction_}

    def _check_settings(self) -> None:
        super()._check_settings()
        if not self._metric.server_scores:
            raise SettingsError("metric", self.metric, "is not a metric that the server's graph can be built by")

    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        self.m_ = NEIGHBOURS if self.m is None else self.m
        self.ef_construction_ = EF_CONSTRUCTION if self.ef_construction is None else self.ef_construction

    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return self.graph, {}

    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        return RowCodes(np.empty((len(vectors), 0), dtype=np.int64), None)

    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        return np.empty((len(queries), 0), dtype=np.int64)
