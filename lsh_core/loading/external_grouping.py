"""Brings rows with one id together in bounded memory: by way of files on disk, once there are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lsh_core.loading.expected_contents import Rows

_BITS = 8
_ROW_BYTES = 24


class SpillingGroupBy:
    """A grouping for `expected_holdings`.

    Up to `memory_bytes` of rows stay in memory and are one group. Beyond, they are parted by the first
    eight bits of their hashes into 256 files, each of which is a group of its own. So what is in memory is the larger
    of `memory_bytes` and a 256th of all rows, and a few times that while a group is sorted; on disk, 24 bytes a row.

    Parameters
    ----------
    folder
        Where the files' own temporary folder is made, and removed at the end; default: the system's.
    """

    def __init__(self, memory_bytes: int = 32 * 2**20, folder: Path | None = None) -> None:
        self._most_rows, self._folder = max(1, memory_bytes // _ROW_BYTES), folder

    def __call__(self, rows: Iterable[Rows]) -> Iterator[Rows]:
        """Yield groups of `rows` such that all rows with one id are in one of them."""
        waiting: list[Rows] = [np.empty((0, 3), np.uint64)]
        held = 0
        with tempfile.TemporaryDirectory(prefix="airlsh-rows-", dir=self._folder) as name:
            files = [Path(name, f"{number:03}") for number in range(2**_BITS)]
            for each in rows:
                waiting.append(each)
                held += len(each)
                if held > self._most_rows:
                    _part(np.concatenate(waiting), files)
                    waiting, held = [waiting[0]], 0
            spilled = any(file.exists() for file in files)
            if not spilled:
                yield np.concatenate(waiting)
                return
            _part(np.concatenate(waiting), files)
            del waiting
            for file in files:
                if file.exists():
                    yield np.fromfile(file, np.uint64).reshape(-1, 3)
                    file.unlink()


def _part(rows: Rows, files: list[Path]) -> None:
    """Append each of `rows` to the file of its hash."""
    number = (rows[:, 0] >> np.uint64(64 - _BITS)).astype(np.uint8)
    order = np.argsort(number, kind="stable")  # A radix sort: the numbers are bytes.
    stops = np.cumsum(np.bincount(number, minlength=len(files)))
    for file, part in zip(files, np.split(rows[order], stops[:-1]), strict=True):
        if len(part):
            with file.open("ab") as out:
                part.tofile(out)
