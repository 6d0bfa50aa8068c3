"""What an index must hold once everything is loaded, worked out from the ledger alone. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsh_core.indexing.ledger import LedgerEntry


@dataclass(frozen=True)
class ChunkHoldings:
    """What one chunk adds to an index: how many documents, and the sum of their places (``airlsh.row``)."""

    documents: int
    place_sum: int


@dataclass(frozen=True)
class Expected:
    """What an index must hold: documents in all, rows that lost to a later one with their id, and both by chunk."""

    documents: int
    repeated: int
    chunks: dict[int, ChunkHoldings]


def expected_holdings(entries: Sequence[LedgerEntry]) -> Expected:
    """Work out which rows win.

    Of the rows with one id the last in source order wins, whatever the order in which they arrived: each
    write carries its place in the source as its version.

    Parameters
    ----------
    entries
        One ledger entry for every chunk, in source order.
    """
    counts = [len(entry.offsets) for entry in entries]
    chunk_of_row = np.repeat(np.arange(len(entries)), counts)
    places = np.concatenate([np.empty(0, dtype=np.int64), *(entry.offsets + entry.place for entry in entries)])
    hashes = np.concatenate([np.empty((0, 2), dtype=np.uint64), *(entry.id_hashes for entry in entries)])
    won = _last_of_each(hashes)
    documents = np.bincount(chunk_of_row[won], minlength=len(entries))
    sums = np.zeros(len(entries), dtype=np.int64)
    np.add.at(sums, chunk_of_row[won], places[won])
    return Expected(
        documents=len(won),
        repeated=len(places) - len(won),
        chunks={
            entry.chunk: ChunkHoldings(int(count), int(total))
            for entry, count, total in zip(entries, documents, sums, strict=True)
            if count
        },
    )


def _last_of_each(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the positions of the last row of each distinct hash, (n, 2) uint64 in source order."""
    if not len(hashes):
        return np.empty(0, dtype=np.int64)
    order: npt.NDArray[np.int64] = np.lexsort(
        (hashes[:, 1], hashes[:, 0])
    )  # Stable: equal hashes stay in source order.
    ordered = hashes[order]
    last = np.append(np.any(ordered[1:] != ordered[:-1], axis=1), True)
    positions: npt.NDArray[np.int64] = order[last]
    return positions
