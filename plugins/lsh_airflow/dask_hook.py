"""From an Airflow connection of type ``dask`` to the address of a Dask scheduler."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from lsh_core.errors import SettingsError
from lsh_core.jobs.worker_watch import workers_of

if TYPE_CHECKING:
    from distributed import Client

_DEFAULT_PORT = 8786
_CONNECT_SECONDS = 10


class DaskHook(BaseHook):
    """Reads one Airflow connection: the scheduler's host and port.

    The cluster is started by others and outlives the task: processes that a task of Airflow 3
    spawns die on Airflow's own start-up, so no local cluster is ever started here.

    Parameters
    ----------
    dask_conn_id
        Id of a connection of type ``dask``.
    """

    conn_name_attr = "dask_conn_id"
    default_conn_name = "dask_default"
    conn_type = "dask"
    hook_name = "Dask cluster"

    def __init__(self, dask_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.dask_conn_id = dask_conn_id

    @cached_property
    def _stored(self) -> Any:
        return self.get_connection(self.dask_conn_id)

    @cached_property
    def address(self) -> str:
        """The scheduler's address, such as ``tcp://127.0.0.1:8786``; `SettingsError` without a host."""
        if not self._stored.host:
            raise SettingsError("host", "", f"connection {self.dask_conn_id!r} names no Dask scheduler")
        protocol = self._stored.extra_dejson.get("protocol") or "tcp"
        return f"{protocol}://{self._stored.host}:{self._stored.port or _DEFAULT_PORT}"

    def get_conn(self) -> Client:
        """Return a new client of the cluster; the caller closes it."""
        from distributed import Client

        return Client(self.address, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]

    def test_connection(self) -> tuple[bool, str]:
        """Count the cluster's workers: what the button "Test" of the connection form shows."""
        wanted = self._stored.extra_dejson.get("minimum_workers")
        wanted = 1 if wanted is None else int(wanted)
        try:
            with self.get_conn() as client:
                workers = len(workers_of(client))
        except (OSError, SettingsError) as error:
            return False, str(error)
        message = f"{self.address}: {workers} workers"
        return (True, message) if workers >= wanted else (False, f"{message}, {wanted} are wanted")
