"""Signals whose exception is dropped where they arrive."""

from __future__ import annotations

import signal


def lose_a_signal() -> None:
    """Be sent SIGTERM within a library that drops whatever is raised there."""
    dropped: list[BaseException] = []
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        dropped.append(error)
    assert [type(error) for error in dropped] == [SystemExit]


class _Finalized:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def lose_a_signal_in_a_finalizer() -> None:
    """Be sent SIGTERM within a finalizer: Python itself drops what is raised there, and warns of it."""
    _Finalized()
