"""Signals that end this process are kept until work stops for them.

A signal handler raises where the signal arrives. Where that is a callback of a library, or a finalizer, Python or the
library drops the exception, and the work goes on. The signal that is kept ends the work at its next safe point.
"""

from __future__ import annotations

import threading

_told: int | None = None


def keep_end_signal(number: int) -> None:
    """Keep the signal `number`: `require_no_end_signal` raises from now on."""
    global _told
    _told = number


def forget_end_signal() -> None:
    """Forget the signal that was kept: the work that it was to end is over."""
    global _told
    _told = None


def ending(number: int) -> SystemExit:
    """Return the exception that ends this process for the signal `number`, with the exit code that shells give."""
    return SystemExit(128 + number)


def require_no_end_signal() -> None:
    """Raise the ending of a signal that was kept; on the main thread alone, as signals arrive there.

    A point of work that may stop calls this. Cleaning up does not: it has to come to its end.
    """
    if _told is not None and threading.current_thread() is threading.main_thread():
        raise ending(_told)
