"""The first Ctrl-C cleans up, and the second ends the process at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lsh_core.signals import raise_if_signalled, signals_as_exceptions, signals_ignored
from tests.fakes.lost_signals import ctrl_c_handled

WORK = """
import os, signal
from lsh_core.signals import raise_if_signalled, signals_as_exceptions

signal.signal(signal.SIGINT, signal.default_int_handler)
with signals_as_exceptions():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("dropped", flush=True)
    try:
        raise_if_signalled()
    finally:
        print("cleaning up", flush=True)
        {cleanup}
        print("cleaned up", flush=True)
"""


@pytest.fixture(autouse=True)
def in_foreground() -> Iterator[None]:
    with ctrl_c_handled():
        yield


def run_work(cleanup: str) -> tuple[int, list[str]]:
    code = WORK.format(cleanup=cleanup)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout.splitlines()


def test_a_dropped_ctrl_c_still_ends_the_work_after_its_cleanup() -> None:
    assert run_work("pass") == (-signal.SIGINT, ["dropped", "cleaning up", "cleaned up"])


def test_a_second_ctrl_c_ends_the_process_at_once() -> None:
    assert run_work("os.kill(os.getpid(), signal.SIGINT)") == (-signal.SIGINT, ["dropped", "cleaning up"])


def test_other_signals_are_raised_in_the_cleanup_after_a_ctrl_c() -> None:
    with signals_as_exceptions():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM


def test_cleanup_that_ignores_signals_is_not_cut_off() -> None:
    with signals_as_exceptions():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with signals_ignored():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    raise_if_signalled()


def test_a_ctrl_c_that_is_ignored_stays_so() -> None:
    with ctrl_c_handled(signal.SIG_IGN):
        with signals_as_exceptions():
            signal.raise_signal(signal.SIGINT)
            raise_if_signalled()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_inner_block_does_not_forget_a_ctrl_c() -> None:
    with signals_as_exceptions():
        with pytest.raises(KeyboardInterrupt), signals_as_exceptions():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            raise_if_signalled()
