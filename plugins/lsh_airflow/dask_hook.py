"""Hook that turns an Airflow connection of type ``dask`` into a scheduler address."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from lsh_core.errors import AirlshError, SettingsError
from lsh_core.jobs.dask.address import scheduler_address
from lsh_core.jobs.dask.worker_liveness import workers_of
from lsh_core.jobs.dask.workers import connected

if TYPE_CHECKING:
    from distributed import Client

_EXTRAS = {"protocol", "minimum_workers"}
_NOT_DASKS = "is no field of a Dask scheduler"


class DaskHook(BaseHook):
    """Reads one Airflow connection: the scheduler's host and port.

    The cluster runs independently of the task. No local cluster is started here, since processes that an Airflow 3 task
    spawns die during Airflow's start-up.

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
        """The scheduler's address, such as ``tcp://127.0.0.1:8786``.

        Raises
        ------
        SettingsError
            A field is not supported, or fields contradict each other.
        """
        stored = self._stored
        if not stored.host:
            raise SettingsError("host", "", f"connection {self.dask_conn_id!r} names no Dask scheduler")
        for name in ("login", "password", "schema"):
            if getattr(stored, name):
                raise SettingsError(name, "…", f"{_NOT_DASKS}; remove it from connection {self.dask_conn_id!r}")
        for name in set(stored.extra_dejson) - _EXTRAS:
            raise SettingsError(name, "…", f"{_NOT_DASKS}; certificates come from Dask's own configuration")
        protocol = stored.extra_dejson.get("protocol") or None
        return scheduler_address(stored.host, setting="host", protocol=protocol, port=stored.port)

    def get_conn(self) -> Client:
        """Return a new client of the cluster; the caller closes it."""
        return connected(self.address)

    def test_connection(self) -> tuple[bool, str]:
        """Count the cluster's workers, for the button "Test" of the connection form."""
        try:
            wanted = _number("minimum_workers", self._stored.extra_dejson.get("minimum_workers"), default=1)
            with self.get_conn() as client:
                workers = len(workers_of(client))
        except (OSError, AirlshError) as error:
            return False, str(error)
        message = f"{self.address}: {workers} workers"
        return (True, message) if workers >= wanted else (False, f"{message}, {wanted} are wanted")


def _number(name: str, value: object, *, default: int) -> int:
    """Return a whole number that may be text, as in ``AIRFLOW_CONN_...`` URIs."""
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not str(value).isdecimal():
        raise SettingsError(name, value, "must be a whole number")
    return int(str(value))
