"""Runs the parts of a fit in threads. Pure: no I/O.

NumPy releases the interpreter lock in products and partial sorts, so threads of one process share a fit. Each part
writes its own rows of the result, so the number of threads does not change a model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def all_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_parts(work: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> list[Result]:
    """Return the results of `work` for each part, in order, from `threads` threads at once."""
    if threads == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))
