"""Workers that share a machine share its cores."""

from __future__ import annotations

import pytest

from lsh_core.jobs.dask.thread_budget import tasks_at_a_time, threads_of_a_task

HERE = ""  # What a process that is no worker is called.


@pytest.mark.parametrize(("cores", "workers", "threads"), [(2, 2, 1), (2, 1, 2), (16, 2, 8), (2, 5, 1)])
def test_each_worker_has_its_share(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", cores)
    assert threads_of_a_task({HERE: workers, "10.0.0.7": 9}) == threads


def test_a_machine_that_nobody_counted_is_this_worker_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", 4)
    assert threads_of_a_task({}) == 4


@pytest.mark.parametrize(
    ("threads", "offered", "taken", "tasks"),
    [
        (16, {"GPU": 1}, {"GPU": 1}, 1),
        (16, {"GPU": 2}, {"GPU": 1}, 2),
        (1, {"GPU": 2}, {"GPU": 1}, 1),
        (16, {"GPU": 1}, None, 16),
        (4, {}, None, 4),
    ],
)
def test_a_gpu_is_for_one_task_however_many_threads_there_are(
    threads: int, offered: dict[str, float], taken: dict[str, float] | None, tasks: int
) -> None:
    assert tasks_at_a_time(threads, offered, taken) == tasks
