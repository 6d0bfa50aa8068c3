"""Groups rows by id in bounded memory, with temporary files for large inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lsh_core.loading.expected_contents import Rows

_BITS = 8
_ROW_BYTES = 24


class SpillingGroupBy:
    """Grouping for `expected_contents` that spills to disk.

    Up to `memory_bytes` of rows stay in memory as one group. Beyond that, rows are partitioned by the first eight bits
    of their hashes into 256 files, and each file is a group. Memory holds the larger of `memory_bytes` and 1/256 of all
    rows, and a few times that while a group is sorted. Disk holds 24 bytes per row.

    Parameters
    ----------
    folder
        Parent of the temporary folder, which is removed at the end; default: the system's temporary folder.
    """

    def __init__(self, memory_bytes: int = 32 * 2**20, folder: Path | None = None) -> None:
        self._most_rows, self._folder = max(1, memory_bytes // _ROW_BYTES), folder

    def __call__(self, rows: Iterable[Rows]) -> Iterator[Rows]:
        """Yield groups of `rows`; all rows with one id are in one group."""
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
    """Append each row to the file of its hash."""
    number = (rows[:, 0] >> np.uint64(64 - _BITS)).astype(np.uint8)
    order = np.argsort(number, kind="stable")  # Radix sort, because the numbers are bytes.
    stops = np.cumsum(np.bincount(number, minlength=len(files)))
    for file, part in zip(files, np.split(rows[order], stops[:-1]), strict=True):
        if len(part):
            with file.open("ab") as out:
                part.tofile(out)
