"""Base of the models that are searched by lists around centroids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from lsh_core.errors import SettingsError
from lsh_core.metrics.vectors import squared_norms
from lsh_core.models.arrays import Float32Array, Int64Array
from lsh_core.models.contract import LSHModel
from lsh_core.models.distances import smallest_gaps
from lsh_core.models.effort import Effort
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
            return lists_within(prepared, self.centroids_, self._norms, self._unit, effort.value, effort.widening)

    @cached_property
    def _norms(self) -> Float32Array | None:
        """Squared lengths of the centroids; None: products are compared."""
        return None if self._metric.by_product else squared_norms(self.centroids_)

    @cached_property
    def _unit(self) -> float:
        """Unit of products; without the component that only rows have."""
        return typical_length(self.centroids_[:, : self.dims_])

    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        return smallest_gaps(queries, self.centroids_, self._norms, min(effort, len(self.centroids_)))
