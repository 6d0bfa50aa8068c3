"""Contract of a retrieval strategy, and the exact scan that all strategies share.

For one vector column a strategy defines the mapped fields, the codes written with a row, the searches by vector and by
stored id, and the unit of effort. A model names its strategy (`LSHModel.retrieval`). An index stores the name and the
parameters in its ``_meta``.

`lsh_core.search.effort` chooses the effort of a search. Under a filter, `Retrieval.effort_under_filter` scales it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt

from lsh_core.errors import SettingsError
from lsh_core.metrics import metric_named
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.effort import Effort
from lsh_core.retrieval.client_query import client_query
from lsh_core.retrieval.effort_scale import EffortScale, WholeNumbers
from lsh_core.retrieval.query import (
    MAX_RESULTS,
    Filter,
    Path,
    Query,
    Target,
    Vector,
    by_stored_vector,
    request_body,
)
from lsh_core.retrieval.token_format import TokenFormat

EXACT_ROWS = 20_000
"""Number of rows that are scanned as fast as lists are visited."""


@dataclass(frozen=True)
class VectorColumn:
    """Vector column of an index.

    Attributes
    ----------
    name
        Name of the field.
    similarity
        ``similarity`` of the server's ``dense_vector`` field for the metric.
    """

    name: str
    dims: int
    metric: str
    similarity: str


@dataclass(frozen=True)
class Retrieval(ABC):
    """Retrieval strategy of one vector column.

    The fields beside `column` are parameters of the strategy, and are stored with the index. They have defaults, since
    the mapping of a draft is made before a model's arrays are read.
    """

    name: ClassVar[str]
    """Name in models, in ``_meta`` and in search results."""
    effort_unit: ClassVar[str]
    """Unit of the effort of a search."""
    effort_scale: ClassVar[EffortScale] = WholeNumbers()
    """Scale of the efforts in this unit."""
    nested: ClassVar[bool] = False
    """Whether a search finds all that a search with a smaller effort finds."""
    max_effort: ClassVar[int] = MAX_RESULTS
    """Maximum effort that the server accepts."""
    favours_own_rows: ClassVar[bool] = False
    """Whether neighbours of indexed rows are easier to find than those of other vectors."""

    column: VectorColumn

    # The model.

    @classmethod
    @abstractmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the parameters for an index of a fitted model with this fingerprint."""

    @classmethod
    def check_metric(cls, metric: str) -> None:
        """Raise `SettingsError` for a metric that rows cannot be compared by in this strategy."""
        if not metric_named(metric).server_scores:
            reason = f"is not known to the server, and models searched by {cls.name} need the server to compare rows"
            raise SettingsError("metric", metric, f"{reason}: train a model that is searched by lists")

    # The mapping.

    @abstractmethod
    def own_fields(self) -> dict[str, Any]:
        """Return the fields under ``airlsh`` that the strategy needs, as mapping properties."""

    def sort_fields(self) -> tuple[str, ...]:
        """Return the fields that the index is sorted by."""
        return ()

    @property
    def vector_paths(self) -> tuple[str, ...]:
        """Fields that hold the vector of a row."""
        return (self.column.name,)

    @final
    def flat_field(self) -> dict[str, Any]:
        """Return the field of the vector itself: ``flat``, so that its scores are exact."""
        return self.dense_field({"type": "flat"})

    @final
    def dense_field(self, index_options: Mapping[str, Any]) -> dict[str, Any]:
        """Return a ``dense_vector`` field with these ``index_options``."""
        return {
            "type": "dense_vector",
            "dims": self.column.dims,
            "index": True,
            "similarity": self.column.similarity,
            "index_options": dict(index_options),
        }

    # Rows.

    @property
    def tokens(self) -> TokenFormat:
        """Format of the tokens; strategies without tokens write none."""
        return TokenFormat("", 1)

    def encode(self, model: LSHModel, vectors: npt.NDArray[np.float32]) -> RowCodes:
        """Return the codes that `row_parts` writes with rows."""
        return model.encode(vectors)

    @abstractmethod
    def row_parts(self, tokens: npt.NDArray[np.int64], near: npt.NDArray[np.int64] | None) -> list[bytes]:
        """Return the codes of each row as a part of its ``airlsh`` object.

        A part begins with a comma, or is empty.
        """

    @property
    def vector_copy(self) -> tuple[bytes, bytes] | None:
        """Text around a second copy of the vector in a row's ``airlsh`` object; None: no copy."""
        return None

    # Queries.

    @abstractmethod
    def by_vector(
        self,
        vector: Vector,
        tokens: Sequence[str],
        *,
        k: int,
        effort: Effort,
        shards: int,
        query_filter: Filter | None = None,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search for the `k` rows nearest to `vector` that pass the filter.

        Parameters
        ----------
        tokens
            Tokens that the model probes for the vector.
        """

    @abstractmethod
    def by_id(
        self,
        index: str,
        id: str,
        *,
        k: int,
        effort: Effort,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search for the `k` nearest rows to the stored row `id`.

        The row itself is excluded. The server looks up its vector and codes; `can_look_up` tells when these are enough.
        """

    @final
    def can_look_up(self, effort: Effort | None) -> bool:
        """Return whether `by_id` finds as many neighbours as `by_vector`.

        A look-up compares by the server's similarity, so it needs a metric with server scores.

        Parameters
        ----------
        effort
            Effort of the search; None: a scan, which needs the vector of the row alone.
        """
        if not metric_named(self.column.metric).server_scores:
            return False
        return effort is None or self._stored_is_enough(effort)

    @abstractmethod
    def _stored_is_enough(self, effort: Effort) -> bool:
        """Return whether the stored codes of a row lead to as many neighbours as `effort`."""

    @final
    def exact(
        self, target: Target, *, k: int, query_filter: Filter | None = None, fields: Sequence[str] | None = ()
    ) -> Query:
        """Return the search that scores all rows that pass the filter."""
        return self.scored_search(target, k=k, among=query_filter, fields=fields, path="exact")

    @final
    def scored_search(
        self, target: Target, *, k: int, among: Filter | None, fields: Sequence[str] | None, path: Path
    ) -> Query:
        """Return the search that compares all rows that pass `among`.

        The server compares by its own metrics, and the client by other metrics. For the client `target` is a vector,
        not a stored row.
        """
        if metric_named(self.column.metric).server_scores:
            return Query(request_body(self.scored(target, k=k, among=among), k, fields), path)
        column, metric = self.column.name, self.column.metric
        return client_query(
            target["query_vector"], column=column, metric=metric, k=k, among=among, fields=fields, path=path
        )

    @final
    def scored(self, target: Target, *, k: int, among: Filter | None = None) -> dict[str, Any]:
        """Return the clause that scores the rows that pass `among`, `k` per shard."""
        return metric_named(self.column.metric).scored_query(self.column.name, target, k=k, filter=among)

    @final
    def stored_vector(self, index: str, id: str) -> Target:
        """Return the target for the vector of the stored row `id`."""
        return by_stored_vector(self.column.name, index, id)

    # Effort.

    def effort(self, value: float) -> Effort:
        """Return a number in the unit of the strategy as an effort."""
        return Effort(self.effort_unit, value)

    def effort_range(self, k: int, rows: int) -> tuple[float, float]:
        """Return the minimum and maximum effort of a search for `k` of `rows` rows."""
        return min(k, rows), min(rows, self.max_effort)

    def measured_range(self, k: int, rows: int, default: float) -> tuple[float, float]:
        """Return the range of efforts to measure with indexed rows; `default` is the model's effort."""
        return self.effort_range(k, rows)

    @property
    def effort_units(self) -> tuple[str, ...]:
        """Units that a caller may set, the strategy's own first."""
        return (self.effort_unit,)

    def checked_effort(self, unit: str, value: float) -> Effort:
        """Return the effort of a caller; raise `SettingsError` outside the server's bounds."""
        if not 1 <= value <= self.max_effort:
            raise SettingsError(unit, value, f"must be from 1 to {self.max_effort}")
        return Effort(unit, value)

    @final
    def effort_under_filter(self, effort: Effort, *, rows: int, passing: int, default: float) -> Effort | None:
        """Return the effort under a filter that finds as many neighbours as `effort` without.

        Parameters
        ----------
        rows
            Rows of the index.
        passing
            Rows that pass the filter.
        default
            Default effort of the model.

        Returns
        -------
        Effort or None
            None: all rows that pass are scanned.
        """
        if passing <= EXACT_ROWS:
            return None
        return self._scaled_effort(effort, rows=rows, passing=passing, default=default)

    @abstractmethod
    def _scaled_effort(self, effort: Effort, *, rows: int, passing: int, default: float) -> Effort | None:
        """Return the effort under a filter for filters where a scan is slower."""
