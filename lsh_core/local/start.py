"""Starts a stack: prepares all parts, starts them, waits, or undoes everything."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lsh_core.elastic.connection import Connection
from lsh_core.errors import StackError
from lsh_core.local.airflow_standalone import AirflowStandalone
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.container import ElasticsearchContainer, container_runs, docker_answers, remove_container
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.local.ports import PortReservation
from lsh_core.local.process import stop_all
from lsh_core.local.state import StackState, read_state, remove_state, write_state
from lsh_core.local.waiting import StartablePart, wait_until_ready

STOP_SECONDS = 20.0

logger = logging.getLogger("lsh_core.local")

CHECKOUT = Path(__file__).resolve().parents[2]


class Start:
    """A start in progress that can be undone."""

    def __init__(self, folder: Path, workers: int, ports: dict[str, int | None]) -> None:
        self._folder, self._ports = folder, ports
        self._state = StackState(marker=uuid.uuid4().hex)
        self._reservation = PortReservation()
        self._dask = DaskCluster(
            workers=workers,
            folder=folder,
            port=ports["dask"],
            prefer_usual_ports=True,
            marker=f"{self._state.marker}/dask",
            reservation=self._reservation,
        )
        self._elasticsearch: ElasticsearchCluster | ElasticsearchContainer | None = None

    def run(self, nodes: int, version: str, *, airflow: bool) -> StackState:
        """Prepare all parts, start them together, and wait until they are ready."""
        with self._reservation:
            return self._run(nodes, version, airflow=airflow)

    def _run(self, nodes: int, version: str, *, airflow: bool) -> StackState:
        started = time.monotonic()
        self._record()
        connection = self._find_elasticsearch(nodes, version)
        self._dask.prepare()
        parts: list[StartablePart] = [self._dask]
        self._record(elasticsearch=connection.urls, dask=self._dask.address, dask_dashboard=self._dask.dashboard)
        if airflow:
            standalone = AirflowStandalone(
                project=_project(),
                folder=self._folder,
                elasticsearch=connection,
                dask=self._dask.address,
                port=self._ports["airflow"],
                prefer_usual_port=True,
                marker=f"{self._state.marker}/airflow",
                reservation=self._reservation,
            )
            standalone.prepare()
            self._record(airflow=standalone.url)
            parts.insert(0, standalone)  # it takes longest
        if isinstance(self._elasticsearch, ElasticsearchCluster):
            parts.append(self._elasticsearch)
        for part in parts:
            part.launch()
            self._record(leaders={**self._state.leaders, **part.leaders})
        if isinstance(self._elasticsearch, ElasticsearchContainer):
            parts.append(self._elasticsearch)
        logger.info("starting %s", ", ".join(part.name for part in parts))
        wait_until_ready(parts)
        self._record(ready=True)
        logger.info("the stack is ready after %.1f s", time.monotonic() - started)
        return self._state

    def _find_elasticsearch(self, nodes: int, version: str) -> Connection:
        named = os.environ.get("AIRLSH_ES_URL")
        if named:
            logger.info("elasticsearch is not started: AIRLSH_ES_URL names another")
            return Connection.from_urls(named)
        cluster = ElasticsearchCluster(
            nodes=nodes,
            folder=self._folder,
            version=version,
            port=self._ports["elasticsearch"],
            prefer_usual_port=True,
            marker=f"{self._state.marker}/elasticsearch",
            reservation=self._reservation,
        )
        self._elasticsearch = cluster
        try:
            cluster.prepare()
        except StackError as error:
            if nodes > 1 or not docker_answers():
                raise
            logger.warning("%s", error)
            container = ElasticsearchContainer(version)
            self._elasticsearch = container
            container.launch()  # its address is known only after the launch
            self._record(container=container.identifier)
            return Connection(urls=container.urls)
        self._record(node_folder=str(cluster.home))
        return Connection(urls=cluster.urls)

    def _record(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        write_state(self._folder, self._state)

    def undo(self) -> None:
        """End everything that was started.

        ``airlsh down`` ends parts that cannot be ended here.
        """
        logger.info("stopping what was started")
        try:
            end_parts(self._state)
        except StackError as error:  # the reason of the failed start matters more
            logger.warning("%s", error)
            return
        if isinstance(self._elasticsearch, ElasticsearchContainer) and self._state.container is None:
            self._elasticsearch.stop()
        remove_state(self._folder)


def end_parts(state: StackState) -> list[str]:
    """End all processes of a stack; return the names of its parts that were running.

    Raises
    ------
    StackError
        Its container cannot be removed; the processes have ended.
    """
    running = [name for name, leader in state.leaders.items() if leader.process()]
    stop_all(state.marker, list(state.leaders.values()), grace_seconds=STOP_SECONDS)
    if state.container and remove_container(state.container):
        running.append("elasticsearch")
    return running


def check_nothing_runs(folder: Path) -> None:
    """Refuse to start beside a running stack, or beside its Elasticsearch.

    Other remains of a stack are removed.

    Raises
    ------
    StackError
        A stack, or its Elasticsearch, is running in `folder`.
    """
    state = read_state(folder)
    if state is None:
        return
    dead = state.dead_parts()
    if state.ready and not dead:
        raise StackError(
            "stack",
            f"one is already running in {folder} (Elasticsearch at {', '.join(state.elasticsearch)})",
            remedy="Use it, or stop it first: airlsh down",
        )
    if state.ready and has_elasticsearch(state, dead):
        living = state.living() or state
        raise StackError(
            "stack",
            f"one in {folder} has lost {', '.join(dead)}, but its Elasticsearch is running"
            f" ({', '.join(living.elasticsearch)})",
            remedy="Use what is left of it, or stop it first: airlsh down",
        )
    logger.info("clearing away a stack that was not stopped (ended: %s)", ", ".join(dead) or "while starting")
    end_parts(state)
    remove_state(folder)


def has_elasticsearch(state: StackState, dead: Sequence[str]) -> bool:
    """Return whether an Elasticsearch of the stack is running."""
    nodes = [name for name in state.leaders if name.startswith("elasticsearch/") and name not in dead]
    return bool(nodes) or (state.container is not None and container_runs(state.container))


def _project() -> Path:
    """Return the folder with ``dags`` and ``plugins``.

    The folder is this checkout, or the working folder of an installed package.
    """
    return CHECKOUT if (CHECKOUT / "dags").is_dir() else Path.cwd()
