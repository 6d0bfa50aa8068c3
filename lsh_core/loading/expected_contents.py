"""What an index must hold once everything is loaded, worked out from the ledger alone. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import IdHashes
from lsh_core.loading.ledger import LedgerEntry

Rows = npt.NDArray[np.uint64]
"""Rows as (n, 3) uint64: both halves of the hash of the id, and the row number in the source."""

Grouping = Callable[[Iterable[Rows]], Iterator[Rows]]
"""Parts a stream of rows into groups, so that all rows with one id are in one group. Order does not matter."""


@dataclass(frozen=True)
class ChunkContents:
    """What one chunk adds to an index: how many documents, and the sum of their row numbers (``airlsh.row``)."""

    documents: int
    row_number_sum: int


@dataclass(frozen=True)
class ExpectedContents:
    """What an index must hold of a source.

    Attributes
    ----------
    documents
        Distinct valid ids, without those that belong to live changes.
    repeated
        Rows that lost to a later one with their id.
    replaced
        Rows whose ids belong to live changes.
    chunks
        What each chunk adds; chunks that add nothing are left out.
    """

    documents: int
    repeated: int
    replaced: int
    chunks: dict[int, ChunkContents]


def one_group(rows: Iterable[Rows]) -> Iterator[Rows]:
    """Hold all rows in memory, 24 bytes each, as one group."""
    yield np.concatenate([np.empty((0, 3), np.uint64), *rows])


def expected_contents(
    entries: Iterable[LedgerEntry], *, replaced: IdHashes | None = None, group: Grouping = one_group
) -> ExpectedContents:
    """Work out which rows win.

    Of the rows with one id the last in source order wins, whatever the order in which they arrived: each
    write carries its row number as its version.

    Parameters
    ----------
    entries
        One ledger entry for every chunk, in any order; read once, none is kept.
    replaced
        Ids that belong to live changes, which outrank every row of the source.
    group
        How rows with one id are brought together; `spilling.Spill` does it in bounded memory.
    """
    owned = replaced or IdHashes()
    chunks = _Chunks()
    counted = {"valid": 0, "replaced": 0}

    def rows() -> Iterator[Rows]:
        for entry in entries:
            chunks.add(entry)
            kept = ~owned.contains(entry.id_hashes)
            counted["valid"] += len(kept)
            counted["replaced"] += len(kept) - int(kept.sum())
            row_numbers = (entry.offsets + entry.first_row_number).astype(np.uint64)
            yield np.column_stack((entry.id_hashes[kept], row_numbers[kept]))

    documents = 0
    for each in group(rows()):
        won = winning_row_numbers(each)
        documents += len(won)
        chunks.count(won)
    return ExpectedContents(
        documents=documents,
        repeated=counted["valid"] - counted["replaced"] - documents,
        replaced=counted["replaced"],
        chunks=chunks.holdings(),
    )


def winning_row_numbers(rows: Rows) -> npt.NDArray[np.int64]:
    """Return the greatest row number of each id among `rows`, in no particular order."""
    if not len(rows):
        return np.empty(0, np.int64)
    by_half = rows[np.argsort(rows[:, 0])]
    same = by_half[1:, 0] == by_half[:-1, 0]
    shared = np.append(same, False) | np.append(False, same)  # Most ids are there once: only the others are compared.
    rivals = by_half[shared]
    rivals = rivals[np.lexsort((rivals[:, 2], rivals[:, 1], rivals[:, 0]))]
    last = np.append(np.any(rivals[1:, :2] != rivals[:-1, :2], axis=1), True)[: len(rivals)]
    return np.concatenate((by_half[~shared, 2], rivals[last, 2])).astype(np.int64)


class _Chunks:
    """Winners counted by chunk; which chunk a row number belongs to follows from where the chunks begin."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._starts: list[int] = []
        self._sorted: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
        self._documents = np.empty(0, np.int64)
        self._sums = np.empty(0, np.int64)

    def add(self, entry: LedgerEntry) -> None:
        """Remember where the chunk of `entry` begins; all are added before anything is counted."""
        if entry.rows_read:
            self._numbers.append(entry.chunk)
            self._starts.append(entry.first_row_number)

    def count(self, row_numbers: npt.NDArray[np.int64]) -> None:
        """Count winners."""
        _, starts = self._in_order()
        at = np.searchsorted(starts, row_numbers, side="right") - 1
        self._documents += np.bincount(at, minlength=len(starts))
        np.add.at(self._sums, at, row_numbers)

    def holdings(self) -> dict[int, ChunkContents]:
        """Return what was counted, by the chunks' numbers."""
        numbers, _ = self._in_order()
        return {
            number: ChunkContents(documents, total)
            for number, documents, total in zip(
                numbers.tolist(), self._documents.tolist(), self._sums.tolist(), strict=True
            )
            if documents
        }

    def _in_order(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the numbers and starts of the chunks, in source order."""
        if self._sorted is None:
            numbers, starts = np.array(self._numbers, np.int64), np.array(self._starts, np.int64)
            order = np.argsort(starts)
            self._sorted = numbers[order], starts[order]
            self._documents, self._sums = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
        return self._sorted
