"""The queries that recall is measured with: indexed rows, or vectors of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.cluster import answering_client, search
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.paging import pages
from lsh_core.elastic.stored_vectors import asked_for, has_vector, vectors_of
from lsh_core.settings import queries_to_show
from lsh_core.sources.holdout import MIN_HELD_OUT, are_held_out

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_MAX_HITS = 10_000
_ROW_NUMBER = "airlsh.row"
_PAGE_BYTES = 4 * 2**20
_BYTES_PER_NUMBER = 6
"""Of a vector in base64, and what is around it."""


@dataclass(frozen=True)
class QuerySet:
    """Vectors to search for.

    Attributes
    ----------
    vectors
        (q, d) float32.
    ids
        Of indexed rows their ids: each is left out of its own answer. None: the vectors are not in the index.
    """

    vectors: npt.NDArray[np.float32]
    ids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def left_out(self) -> int:
        """Return how many rows are left out of each answer."""
        return 0 if self.ids is None else 1

    def first(self, size: int) -> QuerySet:
        """Return the first `size` of them."""
        return QuerySet(self.vectors[:size], None if self.ids is None else self.ids[:size])


def default_queries(rows: int, target: float) -> int:
    """Return the default number of indexed rows to measure recall with: a tenth of them, from 200 to 2,000, and enough
    to show `target`.

    2,000 queries know a recall of .95 to within .01 (the standard error that was seen is .0025); of a small index a
    tenth of the rows tells as much.
    """
    return max(min(2_000, max(200, rows // 10)), 2 * queries_to_show(target))


def page_rows(dims: int) -> int:
    """Return how many vectors of `dims` components one answer of the server may hold."""
    return max(1, min(10_000, _PAGE_BYTES // (dims * _BYTES_PER_NUMBER)))


def draw_rows(
    connection: Connection,
    index: str,
    column: str,
    dims: int,
    size: int,
    *,
    seed: int,
    among: Mapping[str, Any] | None = None,
) -> QuerySet:
    """Draw up to `size` rows of `index` at random; the same seed draws the same rows of the same index.

    Parameters
    ----------
    among
        The query that they match; default: all.
    """
    client = answering_client(connection)
    return _read(client, index, column, dims, random_ids(client, index, size, seed, among))


def draw_unseen(connection: Connection, index: str, column: str, dims: int, size: int, *, seed: int) -> QuerySet:
    """Draw up to `size` rows at random of those that no model is trained on; of all, where there are few of these.

    Rows that were written live are among them: they are in no source.
    """
    client = answering_client(connection)
    drawn: list[str] = []
    unseen: list[str] = []
    after: list[Any] | None = None
    while len(unseen) < size and (hits := _random_hits(client, index, _MAX_HITS, seed, after=after)):
        row_numbers = np.array([hit.get("fields", {}).get(_ROW_NUMBER, [-1])[0] for hit in hits], dtype=np.int64)
        fresh = are_held_out(row_numbers) | (row_numbers < 0)
        drawn += [hit["_id"] for hit in hits]
        unseen += [hit["_id"] for hit, each in zip(hits, fresh.tolist(), strict=True) if each]
        after = hits[-1]["sort"]
    ids = unseen if len(unseen) >= min(size, MIN_HELD_OUT) else drawn
    return _read(client, index, column, dims, ids[:size])


def random_ids(
    client: Elasticsearch, index: str, size: int, seed: int, among: Mapping[str, Any] | None = None
) -> list[str]:
    """Return up to `size` random ids, in the same order from every shard copy."""
    return [hit["_id"] for hit in _random_hits(client, index, size, seed, among)]


def _random_hits(
    client: Elasticsearch,
    index: str,
    size: int,
    seed: int,
    among: Mapping[str, Any] | None = None,
    *,
    after: list[Any] | None = None,
) -> list[dict[str, Any]]:
    """Return rows in a random order, by sequence numbers: all copies share them, and live rows have them as well."""
    score = {"random_score": {"seed": seed, "field": "_seq_no"}, "boost_mode": "replace"}
    hits: list[dict[str, Any]] = search(
        client,
        index,
        query={"function_score": {"query": among or {"match_all": {}}, **score}},
        sort=["_score", "_seq_no"],
        search_after=after,
        size=size,
        source=False,
        docvalue_fields=[_ROW_NUMBER],
        track_total_hits=False,
    )["hits"]["hits"]
    return hits


def _read(client: Elasticsearch, index: str, column: str, dims: int, ids: Sequence[str]) -> QuerySet:
    found: dict[str, npt.NDArray[np.float32]] = {}
    for page in pages(ids, page_rows(dims)):
        hits = search(
            client,
            index,
            query={"ids": {"values": list(page)}},
            size=len(page),
            source=False,
            docvalue_fields=asked_for(column),
            track_total_hits=False,
        )["hits"]["hits"]
        hits = [hit for hit in hits if has_vector(hit, column)]
        found |= zip((hit["_id"] for hit in hits), vectors_of(hits, column, dims), strict=True)
    there = [id for id in ids if id in found]  # Of a live index some may be gone by now.
    vectors = np.array([found[id] for id in there], dtype=np.float32).reshape(-1, dims)
    return QuerySet(vectors, tuple(there))
