"""Runs ``airflow standalone`` with the project's DAGs and plugins, without login."""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsh_core.elastic.connection import Connection
from lsh_core.errors import StackError
from lsh_core.local.http_probe import get_json
from lsh_core.local.ports import HOST, PortReservation
from lsh_core.local.process import Identity, ManagedProcess
from lsh_core.local.waiting import StartablePart

PREFERRED_PORT = 8080
STOP_SECONDS = 15.0
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
ELASTICSEARCH_CONNECTION, DASK_CONNECTION = "airlsh_elasticsearch_default", "dask_default"


class AirflowStandalone(StartablePart):
    """Airflow on 127.0.0.1; it is ready when all four components are healthy.

    Parameters
    ----------
    project
        Folder with ``dags`` and ``plugins``.
    folder
        Folder of its home (database, task logs) and its log.
    elasticsearch, dask
        Servers of its connections ``airlsh_elasticsearch_default`` and ``dask_default``.
    port
        Port of the web interface, which must be free; default: any free one.
    prefer_usual_port
        Take 8080 if it is free.
    marker
        Marker of its processes; default: a random one.
    reservation
        Reserves its ports while it starts; the caller closes it.
    """

    name = "airflow"
    start_seconds = 420.0

    def __init__(
        self,
        *,
        project: Path,
        folder: Path = Path(".airlsh"),
        elasticsearch: Connection | None = None,
        dask: str | None = None,
        port: int | None = None,
        prefer_usual_port: bool = False,
        marker: str | None = None,
        reservation: PortReservation | None = None,
    ) -> None:
        super().__init__(reservation)
        self.project, self.folder = project.resolve(), folder.resolve()
        self.elasticsearch, self.dask = elasticsearch, dask
        self._port, self._preferred = port, PREFERRED_PORT if prefer_usual_port else None
        self.marker = marker or uuid.uuid4().hex
        self._process = ManagedProcess(self.name, self.marker, self.folder / "logs" / "airflow.log")
        self._ports = (0, 0, 0)

    @property
    def url(self) -> str:
        """URL of the web interface and of the REST API."""
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def leaders(self) -> dict[str, Identity]:
        """Its first process, after the launch."""
        return {self.name: self._process.identity} if self._process.identity else {}

    def prepare(self) -> None:
        """Find Airflow and the DAGs, and pick the ports, before any start."""
        if not _program().exists():
            raise StackError(
                self.name,
                f"there is no {_program()}",
                remedy="Install the extra `local`, or start without Airflow.",
            )
        if not (self.project / "dags").is_dir():
            raise StackError(
                self.name,
                f"{self.project} has no folder dags",
                remedy="Run this in airlsh's own folder, or start without Airflow.",
            )
        web = self._reservation.pick(self.name, exact=self._port, preferred=self._preferred)
        self._ports = (web, self._reservation.pick(self.name), self._reservation.pick(self.name))

    def launch(self) -> None:
        """Start the process; it is not ready yet."""
        home = self.folder / "airflow"
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.settings(home)}
        # It starts its four components by name.
        environment["PATH"] = f"{_program().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._process.launch([str(_program()), "standalone"], environment=environment, folder=self.project)

    def settings(self, home: Path) -> dict[str, str]:
        """Return the settings that differ from Airflow's defaults, as environment variables."""
        web, worker_log, trigger_log = self._ports
        settings = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.project / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.project / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            # A run that is triggered on a paused DAG stays queued silently.
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            # Tasks report to this address; it does not follow the port automatically.
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(web),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_log),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_log),
            # With the default of 300 s a new DAG file is not found for minutes.
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            # A single user on their own machine: a form may read everything that they may.
            "AIRLSH_SOURCE_ROOTS": os.environ.get("AIRLSH_SOURCE_ROOTS") or "/",
            "AIRLSH_OUTPUT_ROOTS": os.environ.get("AIRLSH_OUTPUT_ROOTS") or str(self.project),
        }
        if self.elasticsearch:
            settings[_variable(ELASTICSEARCH_CONNECTION)] = json.dumps(_elasticsearch_fields(self.elasticsearch))
        if self.dask:
            settings[_variable(DASK_CONNECTION)] = json.dumps({"conn_type": "dask", "host": self.dask})
        return settings

    def waiting_for(self) -> str | None:
        """See :class:`lsh_core.local.waiting.Part`."""
        code = self._process.exit_code()
        if code is not None:
            raise StackError(
                self.name,
                f"it ended while starting (exit code {code})",
                self._process.log_tail(),
                f"The whole log: {self._process.log}",
            )
        health = get_json(f"{self.url}/api/v2/monitor/health")
        if health is None:
            return f"an answer from {self.url}"
        sick = unhealthy(health)
        if sick:
            return f"its {', '.join(sick)}"
        return None

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        return self._process.log_tail()

    def stop(self, *, delete_data: bool = False) -> None:
        """End it and its children; with `delete_data`, delete its home as well."""
        self._process.stop(grace_seconds=STOP_SECONDS)
        if delete_data:
            shutil.rmtree(self.folder / "airflow", ignore_errors=True)


def unhealthy(health: Mapping[str, Any]) -> list[str]:
    """Return the components that Airflow's health page does not report as healthy."""
    return [name for name in COMPONENTS if (health.get(name) or {}).get("status") != "healthy"]


def _program() -> Path:
    return Path(sys.executable).parent / "airflow"


def _variable(connection: str) -> str:
    return f"AIRFLOW_CONN_{connection.upper()}"


def _elasticsearch_fields(connection: Connection) -> dict[str, Any]:
    fields = {
        "conn_type": "airlsh_elasticsearch",
        "host": ",".join(connection.urls),
        "login": connection.username,
        "password": connection.password,
        "extra": {
            "api_key": connection.api_key,
            "ca_certs": connection.ca_certs,
            "verify_certs": connection.verify_certs,
            "request_timeout_seconds": connection.request_timeout_seconds,
            "ca_fingerprint": connection.ca_fingerprint,
            "client_cert": connection.client_cert,
            "client_key": connection.client_key,
            "client_key_password": connection.client_key_password,
            "http_compress": connection.http_compress,
        },
    }
    return {name: value for name, value in fields.items() if value is not None}
