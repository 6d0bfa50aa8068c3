"""Contract of a retrieval strategy, and the exact scan that all strategies share.

A strategy answers, for one vector column: which fields are mapped, what is written with a row, what a search by vector
or by stored id sends, and how the effort of a search is counted. A model names its strategy (`LSHModel.retrieval`), and
an index stores the name and the parameters in its ``_meta``.
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
from lsh_core.retrieval.query import (
    MAX_RESULTS,
    Filter,
    Query,
    Target,
    by_stored_vector,
    request_body,
)
from lsh_core.retrieval.token_format import TokenFormat

EXACT_ROWS = 20_000
"""Rows that are scanned as fast as a query looks at its lists."""


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

    The fields beside `column` are parameters of the strategy, and are stored with the index. They have defaults: the
    mapping of a draft is made before a model's arrays are read.
    """

    name: ClassVar[str]
    """Name in models, in ``_meta`` and in search results."""
    effort_unit: ClassVar[str]
    """Unit of the effort of a search."""
    max_effort: ClassVar[int] = MAX_RESULTS
    """Greatest effort that the server takes."""
    favours_own_rows: ClassVar[bool] = False
    """Whether neighbours of indexed rows are found more easily than neighbours of other vectors."""

    column: VectorColumn

    # The model.

    @classmethod
    @abstractmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the parameters for an index of a fitted model with this fingerprint."""

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
        """Return the part of each row's ``airlsh`` object that holds its codes, with a comma in front, or empty."""

    @property
    def vector_copy(self) -> tuple[bytes, bytes] | None:
        """Text before and after a second copy of the vector in a row's ``airlsh`` object; None: there is no copy."""
        return None

    # Queries.

    @abstractmethod
    def by_vector(
        self,
        vector: Sequence[float],
        tokens: Sequence[str],
        *,
        k: int,
        effort: int,
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
        identity: str,
        *,
        k: int,
        effort: int,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search for the `k` rows nearest to the stored row `identity`, without this row.

        The server looks up the vector and the codes of the row. `can_look_up` says when these are enough.
        """

    @final
    def can_look_up(self, effort: int) -> bool:
        """Return whether `by_id` finds as much as a search by the row's vector with this effort.

        A look-up compares by the server's similarity, so it needs a metric that the server scores by.
        """
        return metric_named(self.column.metric).server_scores and self._stored_is_enough(effort)

    @abstractmethod
    def _stored_is_enough(self, effort: int) -> bool:
        """Return whether the codes that are stored with a row lead to as many neighbours as `effort` does."""

    @final
    def exact(
        self, target: Target, *, k: int, query_filter: Filter | None = None, fields: Sequence[str] | None = ()
    ) -> Query:
        """Return the search that scores every row that passes the filter."""
        return Query(request_body(self.scored(target, k=k, among=query_filter), k, fields), "exact")

    @final
    def scored(self, target: Target, *, k: int, among: Filter | None = None) -> dict[str, Any]:
        """Return the clause that scores the rows that pass `among` by the metric; `k` rows are wanted of each shard."""
        return metric_named(self.column.metric).scored_query(self.column.name, target, k=k, filter=among)

    @final
    def stored_vector(self, index: str, identity: str) -> Target:
        """Compare rows with the vector of the stored row `identity`, which the server looks up."""
        return by_stored_vector(self.column.name, index, identity)

    # Effort.

    def effort_range(self, k: int, rows: int) -> tuple[int, int]:
        """Return the smallest and the greatest effort of a search for `k` of `rows` rows."""
        return min(k, rows), min(rows, self.max_effort)

    def measured_range(self, k: int, rows: int, default: int) -> tuple[int, int]:
        """Return the range of efforts to measure with rows of the index as queries; `default` is the model's effort."""
        return self.effort_range(k, rows)

    def checked_effort(self, effort: int) -> int:
        """Return the effort of a caller; raise `SettingsError` for one outside the bounds of the server."""
        if not 1 <= effort <= self.max_effort:
            raise SettingsError(self.effort_unit, effort, f"must be from 1 to {self.max_effort}")
        return effort

    @final
    def effort_under_filter(self, effort: int, *, rows: int, passing: int, default: int) -> int | None:
        """Return the effort that finds as much among rows that pass a filter as `effort` does among all.

        Parameters
        ----------
        rows
            Rows of the index.
        passing
            Rows that pass.
        default
            Default effort of the model.

        Returns
        -------
        int or None
            None: all rows that pass are to be scanned.
        """
        if passing <= EXACT_ROWS:
            return None
        return self._scaled_effort(effort, rows=rows, passing=passing, default=default)

    @abstractmethod
    def _scaled_effort(self, effort: int, *, rows: int, passing: int, default: int) -> int | None:
        """Return the effort of `effort_under_filter` where a scan is not faster anyway."""
