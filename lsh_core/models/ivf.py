"""Model ``ivf``: inverted lists over k-means clusters.

Each row is put into its nearest lists, and a query visits its nearest lists. J. Sivic and A. Zisserman, "Video Google",
ICCV 2003 (inverted files over k-means words); P. Sun et al., "SOAR", NeurIPS 2023 (the further lists of a row; see
:mod:`lsh_core.models.soar`). Under dot the nearest lists of a query are those with the largest inner products.
"""

from __future__ import annotations

import logging
import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lsh_core import built_in
from lsh_core.built_in import SOAR, SPILL
from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.assignment import Groups, make_groups, nearest_lists
from lsh_core.models.contract import RowCodes
from lsh_core.models.distances import Distances, NumpyDistances
from lsh_core.models.hierarchical import fit_centroids
from lsh_core.models.list_model import ListModel
from lsh_core.models.parallel import all_cores
from lsh_core.models.soar import CANDIDATES
from lsh_core.models.tensorflow_hashing import TensorFlowDistances

logger = logging.getLogger(__name__)

ALL_EXAMINED = 4096
"""Maximum of lists up to which each row is compared with all."""
MIN_EXAMINED = 2048
EXAMINED_PER_ROOT = 8
ROWS_PER_LIST = 5
MANY_LISTS = 16_000
"""Lists up to which there is one for each `ROWS_PER_LIST` rows."""
MIN_LISTS_PER_ROOT, MAX_LISTS_PER_ROOT = 4, 32
REACH, PRODUCT_REACH = 1.08, 1.3
# 400,000 rows of 128 dimensions. With a unit-length copy and three copies of the centroids, a fit takes less than 700
# MB.
SAMPLE_BYTES = 400_000 * 128 * 4
MIN_ROWS_PER_LIST, MIN_SAMPLED_PER_LIST = 4, 8
"""Rows of the sample for each list: where the sample is most of the rows, and where it is a small part of them."""
SAMPLE_ROWS_PER_LIST = 25
MIN_SAMPLE = 20_000


class IVF(ListModel):
    """Inverted lists over a k-means partition of space.

    Parameters
    ----------
    lists
        Number of lists; default from the rows of the index, and at most one list per four rows of the sample, or eight
        if the sample is less than half of the rows. A sample with fewer distinct rows makes fewer lists.
    spill
        Number of lists that each row is in. The first is the nearest.
    soar
        Weight of SOAR in the choice of a row's further lists among its 16 nearest; 0 chooses the nearest.
    hash_backend
        Backend that encodes: ``"numpy"``, ``"tensorflow"`` or ``"auto"``; see :func:`lsh_core.backends.choose_backend`.

    Attributes
    ----------
    centroids_ : (lists_, d) float32, under ``dot`` (lists_, d + 1)
    lists_, spill_, soar_
        Values that were used.
    group_centres_, group_lists_
        Assignment in levels of models beyond 4,096 lists (see :mod:`lsh_core.models.assignment`); absent in other
        models. It decides tokens, so it is part of the model.
    upper_centres_, upper_lists_
        Groups of the groups of models with 512 groups or more.

    Notes
    -----
    Under ``dot`` rows and centroids have one component more than queries, whose own is 0 (see
    :mod:`lsh_core.metrics.dot`). That component of a residual changes no product with a query. It still counts in the
    directions of SOAR, as it does in the distances: without it more rows are scored for the same recall.
    """

    name: ClassVar[str] = built_in.IVF.name
    summary: ClassVar[str] = built_in.IVF.summary
    knobs: ClassVar[tuple[Knob, ...]] = built_in.IVF.knobs

    lists_: int
    spill_: int
    soar_: float

    def __init__(
        self,
        *,
        metric: str = "l2",
        seed: int = 0,
        lists: int | None = None,
        spill: int | None = None,
        soar: float | None = None,
        hash_backend: str = "numpy",
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        self.lists = lists
        self.spill = spill
        self.soar = soar
        self.hash_backend = hash_backend

    @staticmethod
    def default_lists(rows: int) -> int:
        """Return the number of lists: one per 5 rows, at least 4·√rows, and at most 16,000 or 32·√rows.

        Up to this number, more lists score fewer rows for the same recall (figures: docs/decisions/models.md).
        """
        root = math.sqrt(rows)
        most = min(max(MANY_LISTS, MAX_LISTS_PER_ROOT * root), rows / ROWS_PER_LIST)
        return max(1, min(rows, round(max(MIN_LISTS_PER_ROOT * root, most))))

    def default_effort(self, rows: int) -> float:
        """Return the reach for a recall@10 of about .97; see docs/decisions/models.md."""
        self._check_fitted()
        return PRODUCT_REACH if self._metric.by_product else REACH

    def resized(self, way: int) -> tuple[str, int]:
        """See :class:`LSHModel`."""
        return "lists", int(self.token_count * 2.0**way)

    @classmethod
    def default_sample(cls, rows: int, dims: int) -> int:
        """Return the number of rows to fit on: 25 per default list, at most 205 MB."""
        wanted = max(MIN_SAMPLE, SAMPLE_ROWS_PER_LIST * cls.default_lists(rows))
        return max(2, min(rows, wanted, SAMPLE_BYTES // (4 * dims)))

    @property
    def tokens_per_row(self) -> int:
        """The spill: lists that each row is in."""
        self._check_fitted()
        return self.spill_

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.lists is not None and self.spill is not None and self.spill > self.lists:
            raise SettingsError("spill", self.spill, f"is more than the {self.lists} lists that there are")

    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        needed = MIN_ROWS_PER_LIST if 2 * len(sample) > rows else MIN_SAMPLED_PER_LIST
        lists = self.lists or min(self.default_lists(rows), max(1, len(sample) // needed))
        spill = SPILL if self.spill is None else self.spill
        self.centroids_ = fit_centroids(sample, lists, generator, spill)
        self.lists_ = len(self.centroids_)
        if self.lists_ < lists:
            logger.warning("the sample has %s distinct rows: %s lists instead of %s", self.lists_, self.lists_, lists)
        self.spill_ = min(self.lists_, spill)
        self.soar_ = SOAR if self.soar is None else float(self.soar)
        if self.lists_ > ALL_EXAMINED:
            examined = max(MIN_EXAMINED, round(EXAMINED_PER_ROOT * math.sqrt(self.lists_)))
            groups = make_groups(self.centroids_, examined, generator, all_cores())
            self.group_centres_, self.group_lists_ = groups.centres, groups.examined
            if groups.upper is not None:
                self.upper_centres_, self.upper_lists_ = groups.upper.centres, groups.upper.examined

    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        arrays: dict[str, Array] = {"centroids": self.centroids_}
        if self._groups is not None:
            arrays |= {"group_centres": self.group_centres_, "group_lists": self.group_lists_}
            if self._groups.upper is not None:
                arrays |= {"upper_centres": self.upper_centres_, "upper_lists": self.upper_lists_}
        return {"lists": self.lists_, "spill": self.spill_, "soar": self.soar_}, arrays

    @property
    def _groups(self) -> Groups | None:
        if not hasattr(self, "group_centres_"):
            return None
        upper = Groups(self.upper_centres_, self.upper_lists_) if hasattr(self, "upper_centres_") else None
        return Groups(self.group_centres_, self.group_lists_, upper)

    @cached_property
    def _distances(self) -> Distances:
        return (TensorFlowDistances if self.backend_ == "tensorflow" else NumpyDistances)(self.centroids_)

    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        groups = self._groups
        examined = self.lists_ if groups is None else groups.examined.shape[1]
        near, candidates = min(near, examined), min(max(CANDIDATES, self.spill_), examined)
        by_product = self._metric.by_product
        nearest = nearest_lists(self._distances, vectors, candidates if by_product else max(near, candidates), groups)
        tokens = self._spilled(vectors, nearest[:, :candidates])
        if not near:
            return RowCodes(tokens, None)
        if by_product:
            # Lists that a query for the row visits. They come from the product with all lists: groups would find far
            # fewer of the largest products (.64 instead of .83 with 16 of 3,919 lists, text embeddings).
            queries = self._metric.prepare_queries(vectors[:, :-1])
            return RowCodes(tokens, self._distances.best_products(queries, near))
        return RowCodes(tokens, np.ascontiguousarray(nearest[:, :near]))

    def _spilled(self, vectors: Float32Array, nearest: Int64Array) -> Int64Array:
        """Return the lists of each row, from its nearest lists."""
        if self.spill_ == 1 or not self.soar_:
            return np.ascontiguousarray(nearest[:, : self.spill_])
        return self._distances.spilled(vectors, nearest, count=self.spill_, weight=self.soar_)
