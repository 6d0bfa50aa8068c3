"""Services of a verb: Elasticsearch, a Dask cluster and the caller."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller
from lsh_core.errors import ArgumentError
from lsh_core.jobs.dask.workers import check_address, dask_at, worker_threads

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Services", "dask_client", "this_process", "worker_threads"]


def this_process() -> Caller:
    """Return a caller whose description names this process.

    Refused callers read the description.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # The account has no name, as in some containers.
        user = f"user {os.getuid()}"
    return Caller(None, f"{user} on {socket.gethostname()}, process {os.getpid()}")


@dataclass(frozen=True)
class Services:
    """Elasticsearch, the address of a Dask scheduler, and the caller.

    Without a scheduler, a verb starts two workers of its own.

    Examples
    --------
    >>> from lsh_core import Services, connect
    >>> Services(connect("http://127.0.0.1:9200"), dask="tcp://127.0.0.1:8786").dask
    'tcp://127.0.0.1:8786'
    """

    connection: Connection
    dask: str | None = None
    caller: Caller = field(default_factory=this_process, compare=False)

    def __post_init__(self) -> None:
        given: object = self.connection
        if given is None or isinstance(given, str | bytes | int | float | Iterable):
            raise ArgumentError(
                "connection", type(given).__name__, "must be a Connection: Connection.from_urls(URL) makes one"
            )
        check_address(self.dask)

    @property
    def cluster(self) -> Cluster:
        """Nodes behind the connection."""
        return Cluster(self.connection)


def dask_client(services: Services) -> AbstractContextManager[Client]:
    """Connect to the Dask cluster of `services`; see `dask_at`."""
    return dask_at(services.dask)
