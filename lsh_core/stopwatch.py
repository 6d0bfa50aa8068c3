"""Measures the time of a worker's steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up wall-clock seconds per stage."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to `stage`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - started

    def add(self, stage: str, seconds: float) -> None:
        """Add `seconds` measured elsewhere, such as on another thread, to `stage`."""
        self._seconds[stage] += seconds

    def take(self) -> dict[str, float]:
        """Return the seconds since the last call."""
        taken = {stage: round(seconds, 4) for stage, seconds in self._seconds.items()}
        self._seconds.clear()
        return taken
