"""A Dask cluster to work on: one that is running, or two workers of this process's own."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from lsh_core.errors import SettingsError, UnavailableError

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 15
_LOOK_SECONDS = 2.0
_TELL_SECONDS = 10.0
_WAIT_SECONDS = 0.05
GOING_ON = ("pending", "lost")
"""What a task is that has not ended: the answers that a worker held die with it, and their tasks run again."""
_DASK_ADDRESS = re.compile(r"(\w+://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def check_address(address: str | None) -> None:
    """Raise `SettingsError` unless `address` may be a Dask scheduler's, or is None."""
    if address is not None and not _DASK_ADDRESS.fullmatch(address):
        raise SettingsError("dask", address, "must look like tcp://host:8786")


@contextmanager
def dask_at(address: str | None) -> Iterator[Client]:
    """Connect to the scheduler at `address`, and let go of it at the end of the block.

    Without an address two workers are started, and ended with the block.

    Raises
    ------
    UnavailableError
        The scheduler does not answer, or has no worker.
    """
    from distributed import Client, LocalCluster

    if address is None:
        with (
            # Silent even of errors: what a task raises is raised here, in one piece. It serves pages even without a
            # dashboard, on a port that others may have taken, and warns of it.
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=50,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    what = f"Dask scheduler at {address}"
    try:
        client = Client(address, set_as_default=False, timeout=_CONNECT_SECONDS, direct_to_workers=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UnavailableError(what, _CONNECT_SECONDS, str(error)) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as error:
            reason = _why_nobody_works(_states(client, {}), {})
            raise UnavailableError(what, _CONNECT_SECONDS, f"no worker takes work: {reason}") from error
        yield client


def worker_threads(client: Client) -> tuple[int, int]:
    """Return how many workers the cluster has, and how many threads they have together."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return len(workers), sum(worker["nthreads"] for worker in workers)


class WorkerWatch:
    """Notices when nobody takes work: a job on Dask would wait for ever, without a word.

    Dask pauses a worker that uses 80 % of its memory until it uses less, and one whose memory is not given back never
    goes on.

    Parameters
    ----------
    resources
        What a worker must offer to count.
    """

    PATIENCE_SECONDS: ClassVar[float] = 300.0
    """Workers may be on their way, or be writing to disk what is too much for their memory."""

    def __init__(self, client: Client, resources: Mapping[str, float] | None = None) -> None:
        self._client, self._resources = client, resources or {}
        self._next_look = self._running_at = time.monotonic()
        self._told = False

    def require(self) -> None:
        """Look at the workers, at most every two seconds.

        Raises
        ------
        UnavailableError
            None of them has taken work for `PATIENCE_SECONDS`, or the scheduler is gone.
        """
        if self._client.status != "running":
            raise UnavailableError("Dask scheduler", 0, f"the connection is {self._client.status}")
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        states = _states(self._client, self._resources)
        if states["running"]:
            self._running_at, self._told = now, False
            return
        waited, reason = now - self._running_at, _why_nobody_works(states, self._resources)
        if waited >= self.PATIENCE_SECONDS:
            raise UnavailableError("Dask workers", waited, reason)
        if waited >= _TELL_SECONDS and not self._told:
            self._told = True
            logger.warning("no Dask worker takes work, waiting %.0f s for one: %s", self.PATIENCE_SECONDS, reason)


def as_they_end(
    client: Client, tasks: Iterable[Future[Any]], resources: Mapping[str, float] | None = None
) -> Iterator[Future[Any]]:
    """Yield tasks as they end, well or not; what `WorkerWatch` raises if nobody takes them."""
    watch, going_on = WorkerWatch(client, resources), list(tasks)
    while going_on:
        watch.require()
        ended = [task for task in going_on if task.status not in GOING_ON]
        going_on = [task for task in going_on if task not in ended]
        yield from ended
        if not ended:
            time.sleep(_WAIT_SECONDS)


def _states(client: Client, resources: Mapping[str, float]) -> Counter[str]:
    """Return how many workers that offer `resources` are in which state."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return Counter(
        str(worker["status"])
        for worker in workers
        if all(worker["resources"].get(name, 0) >= count for name, count in resources.items())
    )


def _why_nobody_works(states: Counter[str], resources: Mapping[str, float]) -> str:
    if not states:
        return f"there is none{' with ' + ', '.join(resources) if resources else ''}"
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    if states["paused"]:
        return f"{told}: one that is paused has not enough memory; restart it, or start it with a larger --memory-limit"
    return told
