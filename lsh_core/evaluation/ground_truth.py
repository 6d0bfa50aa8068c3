"""Computes the true neighbours of queries from all rows of an index.

The server could scan its rows itself, but then its own results would judge it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import Hit, scan
from lsh_core.elastic.stored_vectors import asked_for, vectors_of
from lsh_core.evaluation.exact import NearestRows
from lsh_core.evaluation.query_set import QuerySet, page_rows
from lsh_core.progress import progress

_NAMES_KEPT = 4
_BLOCK_NUMBERS = 2**20
"""Bytes of the vectors that are compared at a time: 4 MiB."""


@dataclass(frozen=True)
class GroundTruth:
    """The `k` nearest rows to each query, nearest first.

    Attributes
    ----------
    ids
        (q, k)
    distances
        (q, k) float32, as the metric defines them.
    """

    ids: list[list[str]]
    distances: npt.NDArray[np.float32]

    def nearest(self, k: int) -> GroundTruth:
        """Return the `k` nearest rows to each query."""
        return GroundTruth([row[:k] for row in self.ids], self.distances[:, :k])

    def take(self, places: npt.NDArray[np.intp]) -> GroundTruth:
        """Return the ground truth of the queries at `places`."""
        return GroundTruth([self.ids[place] for place in places], self.distances[places])


def true_neighbours(
    cluster: Cluster, index: str, field: VectorField, queries: QuerySet, k: int, *, rows: int
) -> GroundTruth:
    """Find the `k` true neighbours of each query in `index`, without the query itself.

    A small index gives fewer neighbours. Memory holds the queries, their neighbours and some pages of rows, for any
    size of the index.

    Parameters
    ----------
    rows
        Number of rows of the index, for progress and the choice of a backend.
    """
    nearest = NearestRows(queries.vectors, k + queries.left_out, field.metric, expected=rows)
    names: dict[int, str] = {}
    with progress("exact neighbours", total=rows) as meter:
        for hits in _blocks(cluster, index, field):
            first = nearest.seen
            nearest.add(vectors_of(hits, field.column, field.dims))
            kept = nearest.rows
            for number in np.unique(kept[(kept >= first) & (kept < nearest.seen)]).tolist():
                names[number] = hits[number - first]["_id"]
            if len(names) > _NAMES_KEPT * kept.size:
                names = {number: names[number] for number in np.unique(kept[kept < nearest.seen]).tolist()}
            meter.advance(len(hits))
    return _without_themselves(nearest, names, queries, k)


def _blocks(cluster: Cluster, index: str, field: VectorField) -> Iterator[list[Hit]]:
    """Yield all rows with a vector; short vectors in several pages at once, since small blocks cost as much."""
    page, block = page_rows(field.dims), []
    having = {"exists": {"field": field.column}}
    for hits in scan(cluster, index, having, page=page, docvalue_fields=asked_for(field.column)):
        block += hits
        if (len(block) + page) * field.dims > _BLOCK_NUMBERS:
            yield block
            block = []
    if block:
        yield block


def _without_themselves(nearest: NearestRows, names: dict[int, str], queries: QuerySet, k: int) -> GroundTruth:
    there = min(nearest.rows.shape[1], nearest.seen)
    found = [[names[number] for number in row] for row in nearest.rows[:, :there].tolist()]
    distances = nearest.distances[:, :there]
    if queries.ids is None:
        return GroundTruth(found, distances)
    k = min(k, there - 1)
    ids, others = [], np.empty((len(found), k), np.float32)
    for query, (own, row) in enumerate(zip(queries.ids, found, strict=True)):
        # If the query itself is missing, enough other rows are as near; the last one is left out.
        positions = [position for position, id in enumerate(row) if id != own][:k]
        ids.append([row[position] for position in positions])
        others[query] = distances[query, positions]
    return GroundTruth(ids, others)
