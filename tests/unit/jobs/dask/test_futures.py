"""Futures are followed until they end, a bounded number at a time, and none is waited for in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from lsh_core.errors import UnavailableError
from lsh_core.jobs.dask import futures as following
from lsh_core.jobs.dask.futures import follow_futures, forgotten


class Task:
    """A future whose states are given, one a look."""

    def __init__(self, key: str, *states: str) -> None:
        self.key, self._states = key, list(states)

    @property
    def status(self) -> str:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]


class Scheduler:
    """A client, and the scheduler behind it, which knows some tasks."""

    status = "running"

    def __init__(self, *known: str) -> None:
        self.scheduler, self.known = self, set(known)
        described = {"id": "tcp://a:1", "host": "a", "nthreads": 1, "resources": {}, "metrics": {}}
        self.workers = [{**described, "status": "running"}]

    def get_task_status(self, keys: list[str]) -> dict[str, str | None]:
        return {key: "processing" if key in self.known else None for key in keys}

    def identity(self, n_workers: int) -> dict[str, Any]:
        return {"workers": dict(enumerate(self.workers[:n_workers] if n_workers >= 0 else self.workers))}

    def sync(self, function: Any, **given: Any) -> Any:
        return function(**given)


def follow(client: Scheduler, tasks: Any, **options: Any) -> Iterator[Task]:
    return cast("Iterator[Task]", follow_futures(cast("Any", client), tasks, **options))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LOOK_SECONDS", "_TOLD_SECONDS"):
        monkeypatch.setattr(following, name, 0.0)


def test_each_is_yielded_as_it_ends_well_or_not() -> None:
    tasks = [Task("a", "pending", "pending", "finished"), Task("b", "error"), Task("c", "pending", "lost", "cancelled")]
    assert [task.key for task in follow(Scheduler(), tasks)] == ["b", "a", "c"]


def test_tasks_are_submitted_as_there_is_room() -> None:
    submitted: list[int] = []

    def submit() -> Iterator[Task]:
        for number in range(7):
            submitted.append(number)
            yield Task(str(number), *["pending"] * (3 if number == 1 else 1), "finished")

    ahead = []
    for ended, _ in enumerate(follow(Scheduler(), submit(), open_at_most=3), 1):
        ahead.append(len(submitted) - ended)
    assert len(ahead) == 7
    assert max(ahead) <= 2, "one of the three has ended"
    assert submitted == list(range(7))


def test_another_future_takes_the_place_of_one_that_is_submitted_again() -> None:
    again = iter([Task("second try", "pending", "finished")])
    ended = follow(Scheduler(), [Task("first try", "error")], resubmit=lambda _: next(again, None))
    assert [task.key for task in ended] == ["second try"]


def test_a_check_ends_the_wait() -> None:
    looks: list[None] = []

    def check() -> None:
        looks.append(None)
        if len(looks) == 5:
            raise RuntimeError("the lease is lost")

    with pytest.raises(RuntimeError, match="the lease is lost"):
        list(follow(Scheduler("a"), [Task("a", "pending")], check=check))
    assert len(looks) == 5


def test_tasks_that_the_scheduler_has_forgotten_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_ASK_SECONDS", 0.0)
    tasks = [Task("a", "pending"), Task("b", "pending")]
    with pytest.raises(UnavailableError, match="it has forgotten 1 tasks"):
        list(follow(Scheduler("a"), tasks))


def test_a_task_that_the_scheduler_learns_of_meanwhile_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Scheduler()
    monkeypatch.setattr(following.time, "sleep", lambda _: client.known.add("a"))  # After the first answer.
    tasks: list[Any] = [Task("a", "pending"), Task("b", "pending")]
    assert [task.key for task in forgotten(cast("Any", client), tasks)] == ["b"]


def test_a_task_that_was_cancelled_is_not_forgotten() -> None:
    tasks: list[Any] = [Task("a", "cancelled")]
    assert forgotten(cast("Any", Scheduler()), tasks) == []
