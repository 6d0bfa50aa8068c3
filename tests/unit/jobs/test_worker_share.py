"""Workers that share a machine share its cores."""

from __future__ import annotations

import pytest

from lsh_core.jobs.worker_share import threads_of_a_task

HERE = ""  # What a process that is no worker is called.


@pytest.mark.parametrize(("cores", "workers", "threads"), [(2, 2, 1), (2, 1, 2), (16, 2, 8), (2, 5, 1)])
def test_each_worker_has_its_share(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", cores)
    assert threads_of_a_task({HERE: workers, "10.0.0.7": 9}) == threads


def test_a_machine_that_nobody_counted_is_this_worker_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dask.system.CPU_COUNT", 4)
    assert threads_of_a_task({}) == 4
