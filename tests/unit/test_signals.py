"""A second Ctrl-C does not cut off the cleaning up after the first."""

from __future__ import annotations

import signal

import pytest

from lsh_core.signals import first_interrupt_only


def interrupt_twice(told: list[str]) -> None:
    with first_interrupt_only():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            told.append("cleaned up")


def test_only_the_first_interruption_is_raised() -> None:
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice(told)
    assert told == ["cleaned up"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with first_interrupt_only():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
