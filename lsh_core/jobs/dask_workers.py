"""A Dask cluster to work on: one that is running, or two workers of this process's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lsh_core.errors import SettingsError, UnavailableError
from lsh_core.jobs.dask_address import scheduler_address
from lsh_core.jobs.worker_watch import why_nobody_works, workers_of

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 15
_DASK_ADDRESS = re.compile(r"(\w+://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def check_address(address: str | None) -> None:
    """Raise `SettingsError` unless `address` may be a Dask scheduler's, or is None."""
    if address is None:
        return
    scheduler_address(address)
    if not _DASK_ADDRESS.fullmatch(address):
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
            reason = why_nobody_works(workers_of(client), {})
            raise UnavailableError(what, _CONNECT_SECONDS, f"no worker takes work: {reason}") from error
        yield client


def worker_threads(client: Client) -> tuple[int, int]:
    """Return how many workers the cluster has, and how many threads they have together."""
    workers = workers_of(client)
    return len(workers), sum(worker["nthreads"] for worker in workers)
