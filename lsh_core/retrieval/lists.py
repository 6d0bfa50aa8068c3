"""Retrieval by inverted lists (``ivf``): the server scores all rows in the probed lists exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson

from lsh_core.errors import SettingsError
from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.models.effort import Effort
from lsh_core.models.reach import MAX_REACH, MAX_VISITED, MIN_REACH
from lsh_core.retrieval.effort_scale import EffortScale, Reaches
from lsh_core.retrieval.query import Filter, Query, Vector, all_of, by_vector, excluding
from lsh_core.retrieval.token_format import TokenFormat
from lsh_core.retrieval.tokens import TokenRetrieval

PROBES = "probes"
"""Unit of a fixed number of lists."""
MIN_MEASURED = 0.7
"""Least reach that is measured: about one list."""
LOOKUP_LISTS = 16
"""Nearest lists that are stored with each row."""


@dataclass(frozen=True)
class Lists(TokenRetrieval):
    """Lists of rows, one token each; the effort is the reach of a query, or its number of lists.

    Attributes
    ----------
    lists
        Number of lists.
    lookup_lists
        Nearest lists that are stored with each row, for requests by id without a client.
    """

    name: ClassVar[str] = "lists"
    effort_unit: ClassVar[str] = "reach"
    effort_scale: ClassVar[EffortScale] = Reaches()
    nested: ClassVar[bool] = True
    max_effort: ClassVar[int] = MAX_VISITED

    lists: int = 0
    lookup_lists: int = 0

    @classmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the format of the tokens, and both numbers of lists."""
        count = model.token_count
        tokens = TokenFormat.of(fingerprint, count).parameters()
        return {**tokens, "lists": count, "lookup_lists": min(LOOKUP_LISTS, count)}

    @classmethod
    def check_metric(cls, metric: str) -> None:
        """Accept every metric: the client compares rows by metrics that the server lacks."""

    @property
    def list_path(self) -> str:
        """Name of the field with the primary list of a row."""
        return f"airlsh.list.{self.column.name}"

    @property
    def near_path(self) -> str:
        """Field with the nearest lists of a row, for requests by id without a client; not indexed."""
        return f"airlsh.near.{self.column.name}"

    def own_fields(self) -> dict[str, Any]:
        """Map tokens, primary list and nearest lists.

        A look-up reads ``_source``, so the server need not parse the nearest lists.
        """
        return {
            **super().own_fields(),
            "list": {"properties": {self.column.name: {"type": "integer", "index": False}}},
            "near": {"type": "object", "enabled": False},
        }

    def sort_fields(self) -> tuple[str, ...]:
        """Sort by the primary list, so that the rows of a list lie together."""
        return (self.list_path,)

    def encode(self, model: LSHModel, vectors: npt.NDArray[np.float32]) -> RowCodes:
        """Return the lists of each row, and those that its query visits."""
        return model.encode(vectors, self.lookup_lists)

    def row_parts(self, tokens: npt.NDArray[np.int64], near: npt.NDArray[np.int64] | None) -> list[bytes]:
        """Write the tokens of each row, its primary list, and its nearest lists."""
        if near is None:
            raise TypeError("a model that is searched by lists must return the nearest lists of each row")
        column = orjson.dumps(self.column.name)
        head, primary_head, near_head = self.token_head, b']},"list":{' + column + b":", b'},"near":{' + column + b":["
        words, lookups = self.tokens.json_lists(tokens), self.tokens.json_lists(near[:, : self.lookup_lists])
        return [
            b"".join((head, own, primary_head, b"%d" % primary, near_head, lookup, b"]}"))
            for own, primary, lookup in zip(words, tokens[:, 0].tolist(), lookups, strict=True)
        ]

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
        """Return the search that scores rows of the lists `tokens` that pass the filter."""
        listed = {"terms": {self.tokens_path: list(tokens)}}
        among = all_of(listed, query_filter)
        return self.scored_search(by_vector(vector), k=k, among=among, fields=fields, path="lists")

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
        """Return the search that scores the rows of the stored nearest lists."""
        near = {"index": index, "id": id, "path": self.near_path}
        among = all_of({"terms": {self.tokens_path: near}}, excluding(id))
        return self.scored_search(self.stored_vector(index, id), k=k, among=among, fields=fields, path="lists")

    def _stored_is_enough(self, effort: Effort) -> bool:
        """Return False: a reach may be more lists than a row stores.

        The stored lists are for requests without a client.
        """
        return False

    def effort_range(self, k: int, rows: int) -> tuple[float, float]:
        """Return the least and the largest reach."""
        return MIN_MEASURED, MAX_REACH

    @property
    def effort_units(self) -> tuple[str, ...]:
        """The reach, or a fixed number of lists."""
        return self.effort_unit, PROBES

    def checked_effort(self, unit: str, value: float) -> Effort:
        """Return the effort of a caller; more lists than there are become all lists."""
        if unit == PROBES:
            return super().checked_effort(unit, min(value, self.lists))
        if not MIN_REACH <= value <= MAX_REACH:
            raise SettingsError(unit, value, f"must be from {MIN_REACH:g} to {MAX_REACH:g}")
        return self.effort(value)

    def _scaled_effort(self, effort: Effort, *, rows: int, passing: int, default: float) -> Effort | None:
        """Widen the reach so that about as many matching rows are scored as without a filter."""
        return replace(effort, widening=rows / passing)
