"""What every verb needs from outside: Elasticsearch, a Dask cluster to work on, and who is asking."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller
from lsh_core.errors import SettingsError, UnavailableError

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 15
_DASK_ADDRESS = re.compile(r"(\w+://)?(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")


def this_process() -> Caller:
    """Return a caller whose description names this process, for those who are refused because of it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # An account that has no name, as in some containers.
        user = f"user {os.getuid()}"
    return Caller(None, f"{user} on {socket.gethostname()}, process {os.getpid()}")


@dataclass(frozen=True)
class Services:
    """Elasticsearch, the address of a Dask scheduler, and who is asking.

    Without a scheduler, a verb starts two workers of its own.
    """

    connection: Connection
    dask: str | None = None
    caller: Caller = field(default_factory=this_process, compare=False)

    def __post_init__(self) -> None:
        if self.dask is not None and not _DASK_ADDRESS.fullmatch(self.dask):
            raise SettingsError("dask", self.dask, "must look like tcp://host:8786")


@contextmanager
def dask_client(services: Services) -> Iterator[Client]:
    """Connect to the Dask cluster of `services`, and let go of it at the end of the block.

    Raises
    ------
    UnavailableError
        The scheduler does not answer, or has no worker.
    """
    from distributed import Client, LocalCluster

    if services.dask is None:
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=40) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    what = f"Dask scheduler at {services.dask}"
    try:
        client = Client(services.dask, set_as_default=False, timeout=_CONNECT_SECONDS, direct_to_workers=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UnavailableError(what, _CONNECT_SECONDS, str(error)) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as error:
            raise UnavailableError(what, _CONNECT_SECONDS, "it has no worker") from error
        yield client


def worker_threads(client: Client) -> tuple[int, int]:
    """Return how many workers the cluster has, and how many threads they have together."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return len(workers), sum(worker["nthreads"] for worker in workers)
