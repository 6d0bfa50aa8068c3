"""Merges the near rows of all chunks into the neighbours of recall queries. Pure: no I/O.

Each query gets its nearest rows, and the distance below which none is missing: the smallest cutoff of a chunk's near
rows, or less where more rows are near than are kept. Queries whose own row does not count are left out. A row counts if
the ledger holds it, no later row with the same id replaced it, and its id has no live change. Rows that were corrected
after the load were compared with no query, and are collected by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import IdHashes
from lsh_core.exact.known_neighbours import KnownNeighbours
from lsh_core.exact.near_rows import NearRows
from lsh_core.loading.ledger import LedgerEntry
from lsh_core.loading.source_queries import SourceQueries

_NO_ROW = np.iinfo(np.int64).max


class SourceNeighbours:
    """Near rows of all chunks; they are merged while the ledger entries stream by.

    Parameters
    ----------
    queries
        Queries that the chunks were compared with.
    keep
        Number of rows to keep for each query. Rows that turn out not to count take places.
    replaced
        Ids that belong to live changes.

    Attributes
    ----------
    corrected
        Numbers of rows that were corrected after the load; no list has these rows.
    """

    def __init__(self, queries: SourceQueries, keep: int, replaced: IdHashes) -> None:
        self.queries, self._replaced = queries, replaced
        size = len(queries)
        self._measures = np.full((size, keep), np.inf)
        self._rows = np.full((size, keep), _NO_ROW)
        self._hashes = np.zeros((size, keep, 2), np.uint64)
        self._limits = np.full(size, np.inf)
        self._usable = np.zeros(size, np.bool_)
        self.corrected: list[int] = []

    def follow(self, entries: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
        """Yield the entries, and merge their near rows."""
        for entry in entries:
            self._merge(entry)
            yield entry

    def drop(self, row_numbers: npt.NDArray[np.int64]) -> None:
        """Drop rows that lost to a later row with the same id."""
        self._measures[np.isin(self._rows, row_numbers)] = np.inf
        self._usable &= ~np.isin(self.queries.row_numbers, row_numbers)

    def result(self) -> tuple[npt.NDArray[np.int64], KnownNeighbours]:
        """Return the positions of the queries that are in the index, and their neighbours."""
        usable = np.flatnonzero(self._usable)
        measures, rows = self._measures[usable], self._rows[usable]
        measures[rows == self.queries.row_numbers[usable, None]] = np.inf
        order = np.lexsort((rows, measures))
        known = KnownNeighbours(
            np.take_along_axis(measures, order, axis=1),
            np.take_along_axis(self._hashes[usable], order[..., None], axis=1),
            self._limits[usable],
        )
        return usable, known

    def _merge(self, entry: LedgerEntry) -> None:
        corrected = np.isin(entry.offsets, entry.corrected)
        self.corrected += (entry.first_row_number + entry.offsets[corrected]).tolist()
        counted = ~corrected & ~self._replaced.contains(entry.id_hashes)
        offsets, hashes = entry.offsets[counted], entry.id_hashes[counted]
        self._usable |= np.isin(self.queries.row_numbers, entry.first_row_number + offsets)
        if entry.near_rows is None or entry.queries != self.queries.fingerprint:
            if len(offsets):
                self._limits[:] = -np.inf
            return
        near = NearRows.from_bytes(entry.near_rows)
        self._limits = np.minimum(self._limits, near.cutoffs)
        if not len(offsets):
            return
        at = np.minimum(np.searchsorted(offsets, near.offsets), len(offsets) - 1)
        there = offsets[at] == near.offsets
        rows = entry.first_row_number + near.offsets[there]
        self._add(near.queries[there], near.measures[there], rows, hashes[at[there]])

    def _add(
        self,
        queries: npt.NDArray[np.int64],
        measures: npt.NDArray[np.float64],
        rows: npt.NDArray[np.int64],
        hashes: npt.NDArray[np.uint64],
    ) -> None:
        """Add rows, sorted by query; the nearest stay, and the limits sink to the others."""
        near = measures < self._measures[queries, -1]
        np.minimum.at(self._limits, queries[~near], measures[~near])
        queries, measures, rows, hashes = queries[near], measures[near], rows[near], hashes[near]
        if not len(queries):
            return
        keep = self._rows.shape[1]
        touched, counts = np.unique(queries, return_counts=True)
        all_queries = np.concatenate((np.repeat(touched, keep), queries))
        all_measures = np.concatenate((self._measures[touched].ravel(), measures))
        all_rows = np.concatenate((self._rows[touched].ravel(), rows))
        all_hashes = np.concatenate((self._hashes[touched].reshape(-1, 2), hashes))
        order = np.lexsort((all_rows, all_measures, all_queries))
        starts = np.cumsum(counts + keep) - counts - keep
        best = order[starts[:, None] + np.arange(keep)]
        self._limits[touched] = np.minimum(self._limits[touched], all_measures[order[starts + keep]])
        self._measures[touched], self._rows[touched] = all_measures[best], all_rows[best]
        self._hashes[touched] = all_hashes[best]
