"""Signals whose exception is dropped where they arrive."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def lose_a_signal(number: signal.Signals = signal.SIGTERM) -> None:
    """Be sent a signal within a library that drops whatever is raised there."""
    dropped: list[BaseException] = []
    try:
        signal.raise_signal(number)
    except BaseException as error:
        dropped.append(error)
    assert [type(error) for error in dropped] == [KeyboardInterrupt if number == signal.SIGINT else SystemExit]


@contextmanager
def ctrl_c_handled(handler: Any = signal.default_int_handler) -> Iterator[None]:
    """Handle Ctrl-C as in the foreground, or by `handler`: tests in the background would ignore it."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Finalized:
    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


def lose_a_signal_in_a_finalizer(number: signal.Signals = signal.SIGTERM) -> None:
    """Be sent a signal within a finalizer: Python itself drops what is raised there, and warns of it."""
    _Finalized(number)
