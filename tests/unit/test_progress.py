from __future__ import annotations

import io
import logging

import pytest

from lsh_core import progress as module
from lsh_core.progress import LINE_SECONDS, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_short_step_says_only_its_end(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO, "lsh_core.progress"), progress("load", total=2000) as meter:
        meter.advance(1500)
        meter.advance(500)
    assert [record.getMessage().rpartition(" in ")[0] for record in caplog.records] == ["load: 2,000 rows"]


def test_a_long_step_says_now_and_then_how_far_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with caplog.at_level(logging.INFO, "lsh_core.progress"), progress("search", total=4000, unit="queries") as meter:
        for _ in range(4):
            now += LINE_SECONDS / 2
            meter.advance(1000)
    assert [record.getMessage() for record in caplog.records] == [
        "search: 2,000 of 4,000 queries, 400/s",
        "search: 4,000 of 4,000 queries, 400/s",
        "search: 4,000 queries in 10.0 s",
    ]


def test_a_step_of_unknown_length(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with caplog.at_level(logging.INFO, "lsh_core.progress"), progress("read") as meter:
        now += 10
        meter.advance(50)
    assert caplog.records[0].getMessage() == "read: 50 rows, 5/s"


def test_a_failed_step_does_not_say_that_it_ended(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())

    def fail() -> None:
        with progress("load") as meter:
            meter.advance(1)
            raise RuntimeError("stop")

    with caplog.at_level(logging.INFO, "lsh_core.progress"), pytest.raises(RuntimeError, match="stop"):
        fail()
    assert caplog.records == []


def test_on_a_terminal_it_is_a_bar(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(module.sys, "stderr", terminal)
    with caplog.at_level(logging.INFO, "lsh_core.progress"), progress("load", total=10) as meter:
        meter.advance(10)
    assert "load" in terminal.getvalue()
    assert caplog.records == []
