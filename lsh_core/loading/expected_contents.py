"""Computes the contents that an index must have, from the ledger alone. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import IdHashes
from lsh_core.loading.ledger import LedgerEntry

Rows = npt.NDArray[np.uint64]
"""Rows as (n, 3) uint64: both halves of the id hash, and the row number in the source."""

Grouping = Callable[[Iterable[Rows]], Iterator[Rows]]
"""Partitions a stream of rows into groups; all rows with one id are in one group.

The order does not matter.
"""


@dataclass(frozen=True)
class ChunkContents:
    """Contribution of one chunk to an index: number of documents, and sum of their row numbers.

    The row number is the field ``airlsh.row``.
    """

    documents: int
    row_number_sum: int


@dataclass(frozen=True)
class ExpectedContents:
    """Contents that an index must have after the load of a source.

    Attributes
    ----------
    documents
        Number of distinct valid ids, without the ids that belong to live changes.
    repeated
        Rows that lost to a later row with the same id.
    replaced
        Rows whose ids belong to live changes.
    chunks
        Contribution of each chunk; chunks that contribute nothing are omitted.
    """

    documents: int
    repeated: int
    replaced: int
    chunks: dict[int, ChunkContents]


def one_group(rows: Iterable[Rows]) -> Iterator[Rows]:
    """Hold all rows in memory as one group, 24 bytes per row."""
    yield np.concatenate([np.empty((0, 3), np.uint64), *rows])


def expected_contents(
    entries: Iterable[LedgerEntry],
    *,
    replaced: IdHashes | None = None,
    group: Grouping = one_group,
    superseded: Callable[[npt.NDArray[np.int64]], None] = lambda _: None,
) -> ExpectedContents:
    """Compute the expected contents: for each id, the last row in source order wins.

    The order of arrival does not matter, because the version of each write is its row number.

    Parameters
    ----------
    entries
        One ledger entry per chunk, in any order. The entries are read once and not kept.
    replaced
        Ids that belong to live changes. A live change wins over every row of the source.
    group
        Groups the rows by id; `external_grouping.SpillingGroupBy` does it in bounded memory.
    superseded
        Called for each group with the numbers of the rows that lost, after the last entry was read.
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
        won, lost = split_by_outcome(each)
        superseded(lost)
        documents += len(won)
        chunks.count(won)
    return ExpectedContents(
        documents=documents,
        repeated=counted["valid"] - counted["replaced"] - documents,
        replaced=counted["replaced"],
        chunks=chunks.holdings(),
    )


def split_by_outcome(rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split the numbers of `rows`, in any order: the greatest of each id, and the others."""
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    by_half = rows[np.argsort(rows[:, 0])]
    same = by_half[1:, 0] == by_half[:-1, 0]
    shared = np.append(same, False) | np.append(False, same)  # Most ids occur once; only the others are compared.
    rivals = by_half[shared]
    rivals = rivals[np.lexsort((rivals[:, 2], rivals[:, 1], rivals[:, 0]))]
    last = np.append(np.any(rivals[1:, :2] != rivals[:-1, :2], axis=1), True)[: len(rivals)]
    won = np.concatenate((by_half[~shared, 2], rivals[last, 2]))
    return won.astype(np.int64), rivals[~last, 2].astype(np.int64)


class _Chunks:
    """Winning rows counted by chunk.

    The chunk of a row number follows from the first row numbers of the chunks.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._starts: list[int] = []
        self._sorted: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
        self._documents = np.empty(0, np.int64)
        self._sums = np.empty(0, np.int64)

    def add(self, entry: LedgerEntry) -> None:
        """Record the first row number of the chunk of `entry`.

        All chunks are added before rows are counted.
        """
        if entry.rows_read:
            self._numbers.append(entry.chunk)
            self._starts.append(entry.first_row_number)

    def count(self, row_numbers: npt.NDArray[np.int64]) -> None:
        """Count winning rows."""
        _, starts = self._in_order()
        at = np.searchsorted(starts, row_numbers, side="right") - 1
        self._documents += np.bincount(at, minlength=len(starts))
        np.add.at(self._sums, at, row_numbers)

    def holdings(self) -> dict[int, ChunkContents]:
        """Return the contents by chunk number."""
        numbers, _ = self._in_order()
        return {
            number: ChunkContents(documents, total)
            for number, documents, total in zip(
                numbers.tolist(), self._documents.tolist(), self._sums.tolist(), strict=True
            )
            if documents
        }

    def _in_order(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the numbers and first row numbers of the chunks, in source order."""
        if self._sorted is None:
            numbers, starts = np.array(self._numbers, np.int64), np.array(self._starts, np.int64)
            order = np.argsort(starts)
            self._sorted = numbers[order], starts[order]
            self._documents, self._sums = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
        return self._sorted
