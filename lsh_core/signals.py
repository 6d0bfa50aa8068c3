"""Raises signals that end a process as exceptions, and remembers them.

A signal handler raises wherever the main thread is. Inside a library's callback or a finalizer the exception is
dropped, and the work continues. The remembered signal ends the work at its next safe point, `raise_if_signalled`. That
holds for Ctrl-C (SIGINT), SIGTERM and SIGHUP.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)

_received: int | None = None


def raise_if_signalled() -> None:
    """Raise ``KeyboardInterrupt`` after a Ctrl-C, ``SystemExit`` after another ending signal.

    Outside the main thread this does nothing. Work calls this at points where it may stop. Cleanup does not call it.
    """
    if _received is not None and _is_main_thread():
        raise _exception_of(_received)


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Turn ending signals into exceptions that `raise_if_signalled` raises again.

    SIGTERM and SIGHUP become ``SystemExit`` with 128 plus the signal's number, so that ``finally`` blocks run. Ctrl-C
    becomes ``KeyboardInterrupt``, and a second Ctrl-C ends the process at once, without cleanup. Ctrl-C is left alone
    if it has another handler than Python's own, as in a background process.

    The outermost block forgets the signal when it ends. Outside the main thread this does nothing, as Python delivers
    signals there alone.
    """
    global _received
    if not _is_main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _ENDING}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _raise not in before.values():
            _received = None


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and SIGHUP, so that cleanup finishes."""
    if not _is_main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    raise _exception_of(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _raise(number, frame)


def _exception_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
