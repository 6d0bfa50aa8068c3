"""Starts and stops Elasticsearch, Dask and Airflow together."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lsh_core.json_form import JsonForm
from lsh_core.local.cluster import delete_node_folder
from lsh_core.local.distribution import DEFAULT_VERSION
from lsh_core.local.lock import exclusive
from lsh_core.local.start import Start, check_nothing_runs, end_parts, has_elasticsearch
from lsh_core.local.state import FOLDER, StackState, read_state, remove_state, running_stack
from lsh_core.signals import signals_as_exceptions, signals_ignored


class Stack:
    """A running stack, as a context manager that stops it.

    Attributes
    ----------
    elasticsearch
        Address of each node.
    dask
        Address of the scheduler.
    dask_dashboard, airflow
        Addresses of their web pages; `airflow` is None if not requested.
    """

    def __init__(self, folder: Path, state: StackState) -> None:
        self.folder, self.state = folder, state
        self.elasticsearch = state.elasticsearch
        self.dask = state.dask or ""
        self.dask_dashboard = state.dask_dashboard or ""
        self.airflow = state.airflow

    def stop(self, *, delete_data: bool = False) -> None:
        """Stop all parts; with `delete_data`, delete stored data and runs as well."""
        stop_stack(self.folder, delete_data=delete_data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with signals_ignored():
            self.stop()


def start_stack(
    *,
    nodes: int = 1,
    workers: int = 2,
    airflow: bool = True,
    folder: Path = Path(FOLDER),
    es_version: str = DEFAULT_VERSION,
    airflow_port: int | None = None,
    elasticsearch_port: int | None = None,
    dask_port: int | None = None,
) -> Stack:
    """Start the stack, and return when all parts are ready.

    The stack outlives this process.

    Progress goes to the logger ``lsh_core.local``. ``AIRLSH_ES_URL`` names an Elasticsearch to use
    instead of starting one.

    Parameters
    ----------
    nodes, workers
        Numbers of Elasticsearch nodes and Dask workers.
    airflow
        Whether to start Airflow.
    folder
        Folder of logs and data, one stack per folder. Data from earlier starts are kept.
    es_version
        Elasticsearch version that is fetched if ``ES_HOME`` is not set.
    airflow_port, elasticsearch_port, dask_port
        Ports that must be free; default: the standard ports if free, else any.

    Raises
    ------
    StackError
        A part cannot be started, or a stack is running in `folder`. All processes are ended then, and after an
        interruption too.
    """
    folder = folder.resolve()
    with signals_as_exceptions(), exclusive(folder):
        check_nothing_runs(folder)
        ports = {"airflow": airflow_port, "elasticsearch": elasticsearch_port, "dask": dask_port}
        starting = Start(folder, workers, ports)
        try:
            return Stack(folder, starting.run(nodes, es_version, airflow=airflow))
        except BaseException:
            with signals_ignored():
                starting.undo()
            raise


def stop_stack(folder: Path = Path(FOLDER), *, delete_data: bool = False) -> list[str]:
    """Stop the stack of `folder`, or its remains.

    Parameters
    ----------
    delete_data
        Delete indices, runs and logs as well.

    Returns
    -------
    list of str
        Parts that were running; may be empty.

    Raises
    ------
    StackError
        Another process is starting or stopping the stack, or its container cannot be removed.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        return []
    with exclusive(folder):
        state = read_state(folder)
        stopped = end_parts(state) if state else []
        remove_state(folder)
        if delete_data:
            if state and state.node_folder:
                delete_node_folder(Path(state.node_folder))
            for name in ("elasticsearch", "airflow", "dask", "logs"):
                shutil.rmtree(folder / name, ignore_errors=True)
    return stopped


@dataclass(frozen=True, kw_only=True)
class StackStatus(JsonForm):
    """Addresses of a stack; empty or None for parts that do not run.

    Attributes
    ----------
    stopped
        Parts of a running stack that have ended.
    remedy
        Commands that start the stopped parts again; None if no part has stopped.
    """

    elasticsearch: Sequence[str] = ()
    dask: str | None = None
    dask_dashboard: str | None = None
    airflow: str | None = None
    stopped: Sequence[str] = ()
    remedy: str | None = None


def stack_status(folder: Path = Path(FOLDER)) -> StackStatus:
    """Return the addresses of the stack in `folder`."""
    state = running_stack(folder.resolve())
    if state is None:
        return StackStatus()
    dead = state.dead_parts()
    restart = "airlsh down && airlsh up" if has_elasticsearch(state, dead) else "airlsh up"
    return StackStatus(
        elasticsearch=state.elasticsearch,
        dask=state.dask,
        dask_dashboard=state.dask_dashboard,
        airflow=state.airflow,
        stopped=dead,
        remedy=restart if dead else None,
    )
