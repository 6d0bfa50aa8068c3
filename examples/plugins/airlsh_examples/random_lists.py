"""Inverted lists around rows that are drawn from the sample, without k-means."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from lsh_core.knobs import Knob
from lsh_core.metrics.vectors import squared_norms
from lsh_core.models import RowCodes
from lsh_core.models.arrays import Array, Float32Array
from lsh_core.models.kmeans import distinct_rows
from lsh_core.models.list_model import ListModel
from lsh_core.models.probing import relative_gaps, smallest

SPILL = 2


class RandomLists(ListModel):
    """Inverted lists: each row goes to its nearest lists, a query visits those nearest to it."""

    name: ClassVar[str] = "random_lists"
    summary: ClassVar[str] = "lists around rows drawn from the sample"
    knobs: ClassVar[tuple[Knob, ...]] = (
        Knob("lists", "number of inverted lists", minimum=1, maximum=65_536, default="from rows"),
        Knob("spill", "nearest lists that each row is put into", minimum=1, maximum=16, default=f"{SPILL}"),
    )
    spill_: int

    def __init__(
        self, *, metric: str = "l2", seed: int = 0, lists: int | None = None, spill: int | None = None
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.lists = lists
        self.spill = spill

    def default_effort(self, rows: int) -> float:
        """Return a reach that is wide enough for lists of very different sizes."""
        return 1.3

    def resized(self, way: int) -> tuple[str, int]:
        """See :class:`LSHModel`."""
        return "lists", int(self.token_count * 2.0**way)

    @property
    def tokens_per_row(self) -> int:
        """Lists that each row is in."""
        self._check_fitted()
        return self.spill_

    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        candidates = distinct_rows(sample)
        lists = min(len(candidates), self.lists or max(1, round(4 * math.sqrt(rows))))
        self.centroids_ = sample[generator.choice(candidates, lists, replace=False)]
        self.spill_ = min(lists, self.spill or SPILL)

    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"spill": self.spill_}, {"centroids": self.centroids_}

    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        gaps = relative_gaps(vectors, self.centroids_, squared_norms(self.centroids_))
        tokens, _ = smallest(gaps, self.spill_)
        if not near:
            return RowCodes(tokens, None)
        queries = self._metric.prepare_queries(vectors[:, :-1]) if self._metric.by_product else vectors
        return RowCodes(tokens, self._probe(queries, near))
