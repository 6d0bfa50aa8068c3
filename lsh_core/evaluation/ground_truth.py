"""Computes the true neighbours of queries from all rows of an index.

The server could scan its rows itself, but then its own results would judge it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import Hit, View, open_view, scan_view
from lsh_core.elastic.stored_vectors import asked_for, vectors_of
from lsh_core.evaluation.query_set import QuerySet, page_rows
from lsh_core.exact.nearest_rows import NearestRows
from lsh_core.metrics import metric_named
from lsh_core.progress import progress

_HASHES_KEPT = 4
_BLOCK_NUMBERS = 2**20
"""Numbers of the vectors that are compared at a time: 4 MiB."""

Measures: TypeAlias = npt.NDArray[np.float64]
Hashes: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class GroundTruth:
    """The `k` nearest rows to each query, nearest first.

    Attributes
    ----------
    id_hashes
        (q, k, 2) uint64: 128-bit hashes of the rows' ids.
    distances
        (q, k) float32, as the metric defines them.
    """

    id_hashes: Hashes
    distances: npt.NDArray[np.float32]

    @classmethod
    def of_measures(cls, measures: Measures, id_hashes: Hashes, metric: str) -> GroundTruth:
        """Return the ground truth of rows with these values of the metric's `measure`, (q, k)."""
        return cls(id_hashes, metric_named(metric).distances(measures).astype(np.float32))

    def nearest(self, k: int) -> GroundTruth:
        """Return the `k` nearest rows to each query."""
        return GroundTruth(self.id_hashes[:, :k], self.distances[:, :k])

    def take(self, places: npt.NDArray[np.intp]) -> GroundTruth:
        """Return the ground truth of the queries at `places`."""
        return GroundTruth(self.id_hashes[places], self.distances[places])

    def replaced(self, places: npt.NDArray[np.int64], other: GroundTruth) -> GroundTruth:
        """Return the ground truth with that of `other` for the queries at `places`."""
        k = min(self.distances.shape[1], other.distances.shape[1])
        id_hashes, distances = self.id_hashes[:, :k].copy(), self.distances[:, :k].copy()
        id_hashes[places], distances[places] = other.id_hashes[:, :k], other.distances[:, :k]
        return GroundTruth(id_hashes, distances)


@dataclass(frozen=True, eq=False)
class ExactSearch:
    """Queries, and the rows of an index that they are compared with.

    Attributes
    ----------
    field
        Vector column of the rows.
    queries
        (q, d) float32.
    k
        Number of nearest rows to find for each query.
    filter
        Elasticsearch query that the rows match; None: all rows.
    rows
        Approximate number of rows, for progress and the choice of a backend; 0: unknown.
    """

    field: VectorField
    queries: npt.NDArray[np.float32]
    k: int
    filter: Mapping[str, Any] | None = None
    rows: int = 0


IndexScan: TypeAlias = Callable[[Cluster, str, ExactSearch], tuple[Measures, Hashes]]
"""Executes a search in an index; see `nearest_in_index`."""


def nearest_in_index(cluster: Cluster, index: str, search: ExactSearch) -> tuple[Measures, Hashes]:
    """Find the nearest rows to each query by a scan of the index.

    Returns
    -------
    measures, id_hashes
        (q, k) float64, as the metric's `measure` returns them, and (q, k, 2) uint64. The measures are infinite where
        there are fewer rows.
    """
    with open_view(cluster, index) as view:
        return nearest_in_view(cluster, view, search)


def nearest_in_view(
    cluster: Cluster, view: View, search: ExactSearch, *, part: tuple[int, int] | None = None
) -> tuple[Measures, Hashes]:
    """Find the nearest rows to each query in a point in time; see `nearest_in_index`.

    Parameters
    ----------
    part
        Slice to read; see `scan_view`.
    """
    column, dims = search.field.column, search.field.dims
    nearest = NearestRows(search.queries, search.k, search.field.metric, expected=search.rows)
    hashes = np.empty((0, 2), np.uint64)
    numbers = np.empty(0, np.int64)
    with progress("exact neighbours", total=search.rows or None, unit="rows") as meter:
        for hits in _blocks(_pages(cluster, view, search, part), dims):
            first = nearest.seen
            nearest.add(vectors_of(hits, column, dims))
            kept = nearest.rows
            fresh = np.unique(kept[(kept >= first) & (kept < nearest.seen)])
            numbers = np.concatenate((numbers, fresh))
            hashes = np.concatenate((hashes, hash_ids([hits[number - first]["_id"] for number in fresh.tolist()])))
            if len(numbers) > _HASHES_KEPT * kept.size:
                used = np.isin(numbers, kept)
                numbers, hashes = numbers[used], hashes[used]
            meter.advance(len(hits))
    if not len(numbers):
        return nearest.measures, np.zeros((*nearest.rows.shape, 2), np.uint64)
    return nearest.measures, hashes[np.minimum(np.searchsorted(numbers, nearest.rows), len(numbers) - 1)]


def true_neighbours(
    cluster: Cluster,
    index: str,
    field: VectorField,
    queries: QuerySet,
    k: int,
    *,
    rows: int,
    scan: IndexScan = nearest_in_index,
) -> GroundTruth:
    """Find the `k` true neighbours of each query in `index`, without the query itself.

    A small index gives fewer neighbours. Memory holds the queries, their neighbours and some pages of rows, for any
    size of the index.

    Parameters
    ----------
    rows
        Number of rows of the index, for progress and the choice of a backend.
    scan
        Scan of the index.
    """
    found = scan(cluster, index, ExactSearch(field, queries.vectors, k + queries.left_out, rows=rows))
    measures, id_hashes = found if queries.ids is None else _without_themselves(*found, hash_ids(queries.ids))
    there = int(np.isfinite(measures).all(axis=0).sum())
    return GroundTruth.of_measures(measures[:, :there], id_hashes[:, :there], field.metric)


def _pages(cluster: Cluster, view: View, search: ExactSearch, part: tuple[int, int] | None) -> Iterator[list[Hit]]:
    """Yield all rows with a vector that match the filter."""
    column = search.field.column
    conditions = [{"exists": {"field": column}}, *([] if search.filter is None else [search.filter])]
    page = page_rows(search.field.dims)
    return scan_view(
        cluster, view, {"bool": {"filter": conditions}}, page=page, docvalue_fields=asked_for(column), part=part
    )


def _blocks(pages: Iterable[list[Hit]], dims: int) -> Iterator[list[Hit]]:
    """Join the pages of short vectors, since small blocks cost as much."""
    block: list[Hit] = []
    for hits in pages:
        block += hits
        if (len(block) + page_rows(dims)) * dims > _BLOCK_NUMBERS:
            yield block
            block = []
    if block:
        yield block


def _without_themselves(measures: Measures, id_hashes: Hashes, own: Hashes) -> tuple[Measures, Hashes]:
    """Leave each query out of its neighbours; if it is missing, the last neighbour is left out."""
    is_own = (id_hashes == own[:, None]).all(axis=2) & np.isfinite(measures)
    left_out = np.where(is_own.any(axis=1), is_own.argmax(axis=1), measures.shape[1] - 1)
    stay = np.arange(measures.shape[1]) != left_out[:, None]
    shape = len(measures), measures.shape[1] - 1
    return measures[stay].reshape(shape), id_hashes[stay].reshape(*shape, 2)
