"""Shows the progress of a long step.

A terminal shows a bar; a log gets a line every few seconds.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm import tqdm

logger = logging.getLogger("lsh_core.progress")

LINE_SECONDS = 5.0


class Meter(Protocol):
    """Counts the finished work of one step."""

    def advance(self, amount: int) -> None:
        """Add `amount` to the finished work."""


class _Bar:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, amount: int) -> None:
        self._bar.update(amount)


class _Lines:
    """Logs a line at most every `LINE_SECONDS`.

    A shorter step logs only its end.
    """

    def __init__(self, step: str, total: int | None, unit: str) -> None:
        self._step, self._total, self._unit = step, total, unit
        self._done = 0
        self._started = self._said = time.monotonic()

    def advance(self, amount: int) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            of = f" of {self._total:,}" if self._total else ""
            rate = self._done / (now - self._started)
            logger.info("%s: %s%s %s, %s/s", self._step, f"{self._done:,}", of, self._unit, f"{rate:,.0f}")

    def end(self) -> None:
        logger.info("%s: %s %s in %.1f s", self._step, f"{self._done:,}", self._unit, time.monotonic() - self._started)


@contextmanager
def progress(step: str, total: int | None = None, unit: str = "rows") -> Iterator[Meter]:
    """Show the progress of `step` on standard error while the block runs.

    Parameters
    ----------
    step
        Name of the step, in a word or two.
    total
        Total number of `unit`; None: unknown.
    """
    if sys.stderr.isatty():
        with tqdm(desc=step, total=total, unit=f" {unit}", unit_scale=True, file=sys.stderr, leave=False) as bar:
            yield _Bar(bar)
    else:
        lines = _Lines(step, total, unit)
        yield lines
        lines.end()
