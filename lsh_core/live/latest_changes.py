"""Index of the latest change of each id, in 32 bytes per id. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lsh_core.builds.id_hashes import hash_ids, longest_run
from lsh_core.live.journal import Entry

_MAX_WAITING = 2**18


class LatestChangeIndex:
    """Latest change of each id among all changes added.

    The latest change has the greatest effective position; of two changes with the same effective position, it is the
    later one in the journal. It does not always have the greatest position, because a change may count as older.
    """

    def __init__(self) -> None:
        self._rows = np.empty((0, 4), np.int64)  # Both halves of the hash and both positions; sorted, one row per id.
        self._waiting: list[npt.NDArray[np.int64]] = []
        self._held = 0
        # Maximum number of ids that share the first half of a hash: 1, except with a probability of 10^-9.
        self._longest_run = 0

    def __len__(self) -> int:
        self._settle()
        return len(self._rows)

    def add(self, entries: Sequence[Entry]) -> None:
        """Add `entries`, in any order."""
        if not entries:
            return
        positions = np.array([(entry.effective_position, entry.position) for entry in entries], np.int64)
        self._waiting.append(np.column_stack((_hashes(entries), positions)))
        self._held += len(entries)
        if self._held > max(_MAX_WAITING, len(self._rows) // 2):
            self._settle()

    def hashes(self) -> npt.NDArray[np.uint64]:
        """Return the 128-bit hashes of all ids, (n, 2) uint64."""
        self._settle()
        return np.ascontiguousarray(self._rows[:, :2]).view(np.uint64)

    def are_known(self, entries: Sequence[Entry]) -> npt.NDArray[np.bool_]:
        """Return for each entry whether any change of its id was added."""
        known: npt.NDArray[np.bool_] = self._find(_hashes(entries)) >= 0
        return known

    def are_last(self, entries: Sequence[Entry]) -> npt.NDArray[np.bool_]:
        """Return for each entry whether it is the last change of its id."""
        at = self._find(_hashes(entries))
        known = at >= 0
        last = self._rows[at[known], 3]
        answer = np.zeros(len(entries), np.bool_)
        answer[known] = last == np.array([entry.position for entry in entries], np.int64)[known]
        return answer

    def are_superseded(self, entries: Sequence[Entry]) -> npt.NDArray[np.bool_]:
        """Return for each entry whether a later change of its id was added."""
        at = self._find(_hashes(entries))
        known = at >= 0
        positions = np.array([(entry.effective_position, entry.position) for entry in entries], np.int64).reshape(
            -1, 2
        )[known]
        last = self._rows[at[known], 2:]
        answer = np.zeros(len(entries), np.bool_)
        answer[known] = (positions[:, 0] < last[:, 0]) | (
            (positions[:, 0] == last[:, 0]) & (positions[:, 1] < last[:, 1])
        )
        return answer

    def _find(self, hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the row of each hash, -1 for hashes that were not added."""
        self._settle()
        firsts = self._rows[:, 0]
        at = np.searchsorted(firsts, hashes[:, 0])
        found = np.full(len(hashes), -1, np.int64)
        for _ in range(self._longest_run):
            inside = np.minimum(at, len(firsts) - 1)
            same = (self._rows[inside, :2] == hashes).all(axis=1)
            found[same] = inside[same]
            at = at + 1
        return found

    def _settle(self) -> None:
        """Merge the waiting rows; the last change of each id stays."""
        if not self._waiting:
            return
        rows = np.concatenate((self._rows, *self._waiting))
        self._waiting, self._held = [], 0
        rows = rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 1], rows[:, 0]))]
        self._rows = rows[np.append(np.any(rows[1:, :2] != rows[:-1, :2], axis=1), True)]
        self._longest_run = longest_run(self._rows[:, 0])


def _hashes(entries: Sequence[Entry]) -> npt.NDArray[np.int64]:
    """Return the hashes of the ids of `entries`, (n, 2), as signed numbers.

    Only equality matters.
    """
    return hash_ids([entry.id for entry in entries]).view(np.int64)
