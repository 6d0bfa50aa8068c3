"""Being told to end while a stack is starting: first it is cleaned up, then the process ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lsh_core.end_signals import ending, forget_end_signal, keep_end_signal

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _raise(number: int, frame: FrameType | None) -> None:
    keep_end_signal(number)
    raise ending(number)


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Turn the signals that end a process without a word into ``SystemExit``, as Ctrl-C is one already.

    A signal whose exception gets lost is kept until the end of the outermost block; see `lsh_core.end_signals`.

    Only the main thread can; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _raise not in before.values():
            forget_end_signal()


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first Ctrl-C end the block, and no second one cut off its cleaning up: then Dask waits for ten seconds.

    Where Ctrl-C does something else already, as nothing in the background, this does nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C cut off the cleaning up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
