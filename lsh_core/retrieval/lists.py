"""Retrieval by inverted lists (``ivf``): the server scores all rows in the probed lists exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson

from lsh_core.models.contract import LSHModel, RowCodes
from lsh_core.retrieval.query import Filter, Query, Vector, all_of, by_vector, excluding
from lsh_core.retrieval.token_format import TokenFormat
from lsh_core.retrieval.tokens import TokenRetrieval

MAX_TERMS = 65_536
"""Maximum of tokens in one filter (``index.max_terms_count``)."""
LOOKUP_LISTS = 16
"""Nearest lists that are stored with each row."""


@dataclass(frozen=True)
class Lists(TokenRetrieval):
    """Lists of rows, one token each; the effort is the number of probed lists.

    Attributes
    ----------
    lists
        Number of lists.
    lookup_lists
        Nearest lists that are stored with each row, for look-ups by id.
    """

    name: ClassVar[str] = "lists"
    effort_unit: ClassVar[str] = "probes"
    max_effort: ClassVar[int] = MAX_TERMS

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
        """Field with the nearest lists of a row: stored for look-ups by id, not indexed."""
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
        effort: int,
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
        effort: int,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search that scores the rows of the stored nearest lists."""
        near = {"index": index, "id": id, "path": self.near_path}
        among = all_of({"terms": {self.tokens_path: near}}, excluding(id))
        return self.scored_search(self.stored_vector(index, id), k=k, among=among, fields=fields, path="lists")

    def _stored_is_enough(self, effort: int) -> bool:
        """Return whether a row stores at least `effort` lists."""
        return effort <= self.lookup_lists

    def effort_range(self, k: int, rows: int) -> tuple[int, int]:
        """Return one list, and the maximum of lists in a filter."""
        return 1, min(self.lists, MAX_TERMS)

    def checked_effort(self, effort: int) -> int:
        """Return the effort of a caller, at most the number of lists."""
        return super().checked_effort(min(effort, self.lists))

    def _scaled_effort(self, effort: int, *, rows: int, passing: int, default: int) -> int | None:
        """Scale the lists so that about as many matching rows are scored as without a filter."""
        scaled = math.ceil(effort * rows / passing)
        return scaled if scaled < min(self.lists, MAX_TERMS) else None
