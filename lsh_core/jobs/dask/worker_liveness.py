"""Detects that no Dask worker accepts tasks while a job waits.

The job then fails with the reason instead of waiting for ever.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lsh_core.errors import UnavailableError
from lsh_core.signals import raise_if_signalled

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_TELL_SECONDS = 10.0


@dataclass(frozen=True)
class DaskWorker:
    """The scheduler's current description of a worker.

    Attributes
    ----------
    status
        ``running``, ``paused``, or another status of Dask.
    executing
        Whether the worker runs a task.
    """

    id: str
    host: str
    status: str
    threads: int
    resources: Mapping[str, float]
    executing: bool

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> DaskWorker:
        """Read the form in which the scheduler describes a worker."""
        return cls(
            id=str(described["id"]),
            host=str(described["host"]),
            status=str(described["status"]),
            threads=described["nthreads"],
            resources=described["resources"],
            executing=bool(described["metrics"].get("task_counts", {}).get("executing")),
        )

    def offers(self, resources: Mapping[str, float]) -> bool:
        """Return whether the worker has at least these resources."""
        return all(self.resources.get(name, 0) >= count for name, count in resources.items())


class WorkerLiveness:
    """Watch that detects that no worker accepts tasks.

    Without it, a job on Dask would wait for ever and silently.

    Dask pauses a worker that uses 80 % of its memory until it uses less. A paused worker finishes running tasks. If its
    memory is not released, it never starts a task again.

    Parameters
    ----------
    resources
        Resources that a worker must offer to count.
    """

    PATIENCE_SECONDS: ClassVar[float] = 300.0
    """Grace period, because workers may be starting, or may be spilling to disk."""

    def __init__(self, client: Client, resources: Mapping[str, float] | None = None) -> None:
        self._client, self._resources = client, resources or {}
        self._next_look = self._running_at = time.monotonic()
        self._told = False

    def require(self) -> None:
        """Check the workers, at most every two seconds.

        Raises
        ------
        UnavailableError
            No worker has accepted a task for `PATIENCE_SECONDS`, or the scheduler is gone.
        SystemExit, KeyboardInterrupt
            A signal should end this process: see `lsh_core.signals`.
        """
        raise_if_signalled()
        if self._client.status != "running":
            raise UnavailableError("Dask scheduler", 0, f"the connection is {self._client.status}")
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        workers = workers_of(self._client)
        if any(_works(worker) for worker in workers if worker.offers(self._resources)):
            self._running_at, self._told = now, False
            return
        waited, reason = now - self._running_at, why_nobody_works(workers, self._resources)
        if waited >= self.PATIENCE_SECONDS:
            raise UnavailableError("Dask workers", waited, reason)
        if waited >= _TELL_SECONDS and not self._told:
            self._told = True
            logger.warning("no Dask worker accepts tasks, waiting %.0f s for one: %s", self.PATIENCE_SECONDS, reason)


def workers_of(client: Client) -> list[DaskWorker]:
    """Return the workers of the scheduler."""
    # `scheduler_info` is replaced every two seconds by an answer without workers.
    answer = client.sync(client.scheduler.identity, n_workers=-1) if client.scheduler else {"workers": {}}
    return [DaskWorker.of(each) for each in answer["workers"].values()]


def why_nobody_works(workers: Iterable[DaskWorker], resources: Mapping[str, float]) -> str:
    """Return the reason and a remedy, from the status of the workers."""
    states = Counter(worker.status for worker in workers if worker.offers(resources))
    if not states:
        return f"there is none{' with ' + ', '.join(resources) if resources else ''}"
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    if states["paused"]:
        return f"{told}: one that is paused has not enough memory; restart it, or start it with a larger --memory-limit"
    return told


def _works(worker: DaskWorker) -> bool:
    return worker.status == "running" or worker.executing
