"""128-bit hashes of document ids, and sets of them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash


def hash_ids(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return a 128-bit hash of each id, (n, 2) uint64.

    The hash is XXH3. A collision is not expected within 10^15 ids.
    """
    digest = xxhash.xxh3_128_digest
    hashes = b"".join([digest(id.encode()) for id in ids])
    return np.frombuffer(hashes, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def digests(hashes: npt.NDArray[np.uint64]) -> list[bytes]:
    """Return hashes, (n, 2) uint64, as n hashable values."""
    packed = hashes.astype(">u8").tobytes()
    return [packed[at : at + 16] for at in range(0, len(packed), 16)]


class IdHashes:
    """Set of 128-bit hashes of ids, with vectorised lookups.

    Parameters
    ----------
    hashes
        (n, 2) uint64, as `hash_ids` returns them.
    """

    def __init__(self, hashes: npt.NDArray[np.uint64] | None = None) -> None:
        given = hashes if hashes is not None else np.empty((0, 2), np.uint64)
        ordered = given[np.lexsort((given[:, 1], given[:, 0]))]
        changes = np.any(ordered[1:] != ordered[:-1], axis=1)
        self._ordered = ordered[np.append(True, changes)[: len(ordered)]]
        # Maximum number of ids that share the first half of a hash: 1, except with a probability of 10^-9.
        self._longest_run = longest_run(self._ordered[:, 0])

    def __len__(self) -> int:
        return len(self._ordered)

    def contains(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return for each of `hashes`, (n, 2) uint64, whether the set contains it."""
        found = np.zeros(len(hashes), np.bool_)
        at = np.searchsorted(self._ordered[:, 0], hashes[:, 0])
        for _ in range(self._longest_run):
            found |= (self._ordered[np.minimum(at, len(self) - 1)] == hashes).all(axis=1)
            at = at + 1
        return found


def longest_run(ordered: npt.NDArray[Any]) -> int:
    """Return the number of occurrences of the commonest value in `ordered`; 0 if empty."""
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return int(np.diff(np.append(starts, len(ordered))).max(initial=0))
