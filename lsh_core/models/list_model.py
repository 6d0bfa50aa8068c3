"""Base of the models that are searched by lists around centroids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from lsh_core.errors import SettingsError
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.contract import LSHModel
from lsh_core.models.effort import Effort
from lsh_core.models.probing import Probing
from lsh_core.models.reach import MIN_REACH, lists_within, typical_length
from lsh_core.models.threads import one_blas_thread


class ListModel(LSHModel):
    """Model with one token for each list, and a centroid for each list.

    A query visits the lists within its reach (see :mod:`lsh_core.models.reach`), or a fixed number of lists.

    Attributes
    ----------
    centroids_ : (lists, d) float32, under a metric by product (lists, d + 1)
    """

    effort_name: ClassVar[str] = "reach"
    retrieval: ClassVar[str] = "lists"
    code_noun: ClassVar[str] = "lists"
    max_touched: ClassVar[float] = 0.25

    centroids_: Float32Array

    @property
    def token_count(self) -> int:
        """Number of lists."""
        self._check_fitted()
        return len(self.centroids_)

    def tokens_for(self, queries: Float32Array, effort: Effort) -> Sequence[Int64Array]:
        """Return the lists that a search visits; see :class:`LSHModel`."""
        if effort.unit != self.effort_name:
            return super().tokens_for(queries, effort)
        self._check_dims(queries, "probe")
        if effort.value < MIN_REACH:
            raise SettingsError(self.effort_name, effort.value, f"must be at least {MIN_REACH}")
        with one_blas_thread():
            prepared = self._metric.prepare_queries(queries)
            return lists_within(
                self._probing,
                prepared,
                effort.value,
                available=len(self.centroids_),
                unit=self._unit,
                widening=effort.widening,
            )

    @cached_property
    def _probing(self) -> Probing:
        return Probing(self.centroids_, by_product=self._metric.by_product)

    @cached_property
    def _unit(self) -> float | None:
        """Unit of products, without the component that only rows have; None: distances are compared."""
        return typical_length(self.centroids_[:, : self.dims_]) if self._metric.by_product else None

    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        lists, _ = self._probing.nearest(queries, min(effort, len(self.centroids_)))
        return lists
