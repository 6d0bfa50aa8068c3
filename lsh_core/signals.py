"""Raises signals that end a process as exceptions, and remembers them.

A signal handler raises wherever the main thread is. Inside a library's callback or a finalizer the exception is
dropped, and the work continues. The remembered signal ends the work at its next safe point, `raise_if_signalled`.
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
    """Raise ``SystemExit`` if an ending signal was received.

    Outside the main thread this does nothing. Work calls this at points where it may stop. Cleanup does not call it.
    """
    if _received is not None and _is_main_thread():
        raise _exit_for(_received)


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``SystemExit``, so that ``finally`` blocks run.

    The exit code is 128 plus the signal's number. The outermost block forgets the signal when it ends. Outside the main
    thread this does nothing, as Python delivers signals there alone.
    """
    global _received
    if not _is_main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _raise not in before.values():
            _received = None


@contextmanager
def first_interrupt_only() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` for the first Ctrl-C, and ignore later ones.

    Dask needs ten seconds to clean up. Nothing is changed if Ctrl-C has another handler, as in a background process.
    """
    before = signal.getsignal(signal.SIGINT)
    if not _is_main_thread() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    raise _exit_for(number)


def _exit_for(number: int) -> SystemExit:
    return SystemExit(128 + number)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
