"""Queries of recall measurements: indexed rows, or the user's vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.elastic.stored_vectors import asked_for, has_vector, vectors_of
from lsh_core.settings import queries_to_show
from lsh_core.sources.holdout import MIN_HELD_OUT, are_held_out

_MAX_HITS = 10_000
_ROW_NUMBER = "airlsh.row"
_PAGE_BYTES = 4 * 2**20
_BYTES_PER_NUMBER = 6
"""Bytes of a vector component in base64, with its share of JSON."""


@dataclass(frozen=True)
class QuerySet:
    """Vectors to search for.

    Attributes
    ----------
    vectors
        (q, d) float32.
    ids
        Ids of indexed rows, each excluded from its own result. None: the vectors are not in the index.
    """

    vectors: npt.NDArray[np.float32]
    ids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def left_out(self) -> int:
        """Number of rows that are excluded from each result."""
        return 0 if self.ids is None else 1

    def first(self, size: int) -> QuerySet:
        """Return the first `size` queries."""
        return self.take(np.arange(min(size, len(self))))

    def take(self, places: npt.NDArray[np.intp]) -> QuerySet:
        """Return the queries at `places`."""
        return QuerySet(self.vectors[places], None if self.ids is None else tuple(self.ids[place] for place in places))


def default_queries(rows: int, target: float) -> int:
    """Return the default number of queries: a tenth of the rows, from 200 to 1,000.

    The number is raised if `target` needs more. 1,000 queries measure a recall of .95 to within .01 (the observed
    standard error is .0035); in a small index a tenth of the rows is as precise. Twice as many would find an effort for
    the same target that scores 1 to 3 % fewer rows, and cost a tenth of the load.
    """
    return max(min(1_000, max(200, rows // 10)), 2 * queries_to_show(target))


def page_rows(dims: int) -> int:
    """Return the number of vectors of `dims` components per response."""
    return max(1, min(10_000, _PAGE_BYTES // (dims * _BYTES_PER_NUMBER)))


def draw_rows(
    cluster: Cluster,
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
        Query that the rows match; default: all rows.
    """
    return _read(cluster, index, column, dims, random_ids(cluster, index, size, seed, among))


def draw_unseen(cluster: Cluster, index: str, column: str, dims: int, size: int, *, seed: int) -> QuerySet:
    """Draw up to `size` held-out rows at random; from all rows if few are held out.

    Rows that were written live count as held out, as no source has them.
    """
    drawn: list[str] = []
    unseen: list[str] = []
    after: list[Any] | None = None
    while len(unseen) < size and (hits := _random_hits(cluster, index, _MAX_HITS, seed, after=after)):
        row_numbers = np.array([hit.get("fields", {}).get(_ROW_NUMBER, [-1])[0] for hit in hits], dtype=np.int64)
        fresh = are_held_out(row_numbers) | (row_numbers < 0)
        drawn += [hit["_id"] for hit in hits]
        unseen += [hit["_id"] for hit, each in zip(hits, fresh.tolist(), strict=True) if each]
        after = hits[-1]["sort"]
    ids = unseen if len(unseen) >= min(size, MIN_HELD_OUT) else drawn
    return _read(cluster, index, column, dims, ids[:size])


def random_ids(cluster: Cluster, index: str, size: int, seed: int, among: Mapping[str, Any] | None = None) -> list[str]:
    """Return up to `size` random ids, in the same order from every shard copy."""
    return [hit["_id"] for hit in _random_hits(cluster, index, size, seed, among)]


def _random_hits(
    cluster: Cluster,
    index: str,
    size: int,
    seed: int,
    among: Mapping[str, Any] | None = None,
    *,
    after: list[Any] | None = None,
) -> list[dict[str, Any]]:
    """Return rows in a random order by sequence numbers, which all shard copies share and live rows have as well."""
    score = {"random_score": {"seed": seed, "field": "_seq_no"}, "boost_mode": "replace"}
    hits: list[dict[str, Any]] = cluster.search(
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


def _read(cluster: Cluster, index: str, column: str, dims: int, ids: Sequence[str]) -> QuerySet:
    found: dict[str, npt.NDArray[np.float32]] = {}
    for page in pages(ids, page_rows(dims)):
        hits = cluster.search(
            index,
            query={"ids": {"values": list(page)}},
            size=len(page),
            source=False,
            docvalue_fields=asked_for(column),
            track_total_hits=False,
        )["hits"]["hits"]
        hits = [hit for hit in hits if has_vector(hit, column)]
        found |= zip((hit["_id"] for hit in hits), vectors_of(hits, column, dims), strict=True)
    there = [id for id in ids if id in found]  # Some rows of a live index may be gone by now.
    vectors = np.array([found[id] for id in there], dtype=np.float32).reshape(-1, dims)
    return QuerySet(vectors, tuple(there))
