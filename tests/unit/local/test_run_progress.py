"""What somebody reads who waits for a run."""

from __future__ import annotations

import pytest

from lsh_core.local.airflow_rest import TaskState
from lsh_core.local.run_progress import RunProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _propagating(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="lsh_core.local")


def test_each_task_that_ends_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    show = RunProgress("index_vectors", terminal=False, clock=Clock())
    for _ in range(3):
        show([TaskState("check", "success", 1, 2.04), TaskState("load", "running", 1, None)])
    show([TaskState("check", "success", 1, 2.04), TaskState("load", "failed", 1, 7.0)])
    assert said(caplog) == ["index_vectors: check done after 2.0 s", "index_vectors: load failed after 7.0 s"]


def test_every_try_is_said(caplog: pytest.LogCaptureFixture) -> None:
    show = RunProgress("index_vectors", terminal=False, clock=Clock())
    for tries in (1, 2):
        show([TaskState("load", "running", tries, None)])
        show([TaskState("load", "up_for_retry", tries, 1.0)])
    assert said(caplog) == ["index_vectors: load failed, will be tried again after 1.0 s"] * 2


def test_a_long_task_is_named_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    show = RunProgress("index_vectors", terminal=False, clock=clock)
    for _ in range(45):
        show([TaskState("load", "running", 1, None)])
        clock.now += 0.5
    assert said(caplog) == [f"index_vectors: load is running, {seconds} s" for seconds in (10, 20)]


def test_a_terminal_shows_the_task_at_work_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    show = RunProgress("index_vectors", terminal=True, clock=clock)
    show([TaskState("load", "queued", 1, None)])
    show([TaskState("load", "running", 1, None)])
    clock.now += 3
    show([TaskState("load", "running", 1, None)])
    written = capsys.readouterr().err
    assert "\n" not in written
    assert [line for line in written.split("\r\x1b[K") if line] == [
        "index_vectors: waiting for Airflow, 0 s",
        "index_vectors: load, 0 s",
        "index_vectors: load, 3 s",
    ]
