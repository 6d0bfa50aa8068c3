"""Client of Airflow's REST API: triggers runs, waits for them and reads their results.

The Airflow of the local stack requires no login.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lsh_core.errors import DagRunError, SettingsError, UnavailableError
from lsh_core.local.http_probe import OPENER

POLL_SECONDS = 0.5
APPEAR_SECONDS = 60.0
REQUEST_SECONDS = 120.0  # Busy machines took more than 30 s for one answer.
LOG_LINES = 15


@dataclass(frozen=True)
class TaskState:
    """State of one task of a run.

    ``state`` is None before the task is scheduled, ``seconds`` None before it starts.
    """

    task: str
    state: str | None
    tries: int
    seconds: float | None


class AirflowRest:
    """The API at `address`, such as ``http://127.0.0.1:8080``."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run of `dag_id` and return its id.

        Waits first until Airflow has parsed the DAG.

        Raises
        ------
        SettingsError
            Airflow refuses a value of `conf`.
        UnavailableError
            Airflow does not answer, or does not know the DAG.
        """
        self._wait_for_dag(dag_id)
        try:
            run = self._send(f"/dags/{quote(dag_id)}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        except urllib.error.HTTPError as error:
            raise SettingsError("conf", dict(conf), f"{dag_id} was not started: {_detail(error)}") from None
        return str(run["dag_run_id"])

    def wait(self, dag_id: str, run_id: str, watch: Callable[[Sequence[TaskState]], None]) -> None:
        """Wait until the run has succeeded.

        Calls `watch` with the states of all tasks twice a second.

        Raises
        ------
        DagRunError
            The run failed: which task, and the last lines of its log.
        """
        path = _run_path(dag_id, run_id)
        while True:
            state = self._send(path)["state"]
            tasks = self.tasks(dag_id, run_id)
            watch(tasks)
            if state == "success":
                return
            if state == "failed":
                failed = next((task for task in tasks if task.state == "failed"), None)
                log = self.log_tail(dag_id, run_id, failed.task, failed.tries) if failed else ""
                raise DagRunError(dag_id, run_id, failed.task if failed else None, log)
            time.sleep(POLL_SECONDS)

    def mark_failed(self, dag_id: str, run_id: str) -> None:
        """Mark a run failed, which ends its running tasks."""
        self._send(_run_path(dag_id, run_id), {"state": "failed"}, method="PATCH")

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Return the tasks of a run, sorted by their start."""
        found = self._send(f"{_run_path(dag_id, run_id)}/taskInstances?limit=100")["task_instances"]
        found.sort(key=lambda task: (task["start_date"] is None, task["start_date"]))
        return [TaskState(task["task_id"], task["state"], task["try_number"], task["duration"]) for task in found]

    def result(self, dag_id: str, run_id: str, task: str) -> Any:
        """Return the result of `task` of the run."""
        return self._send(f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task)}/xcomEntries/return_value")["value"]

    def log_tail(self, dag_id: str, run_id: str, task: str, tries: int) -> str:
        """Return the last lines of the log of `task`, without timestamps; empty without a log."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task)}/logs/{tries}?full_content=true"
        try:
            content = self._send(path)["content"]
        except urllib.error.HTTPError:
            return ""
        said = [line for entry in content for line in _log_lines(entry) if line and not line.startswith("::")]
        return "\n".join(said[-LOG_LINES:])

    def _wait_for_dag(self, dag_id: str) -> None:
        started = time.monotonic()
        while True:
            try:
                self._send(f"/dags/{quote(dag_id)}")
            except urllib.error.HTTPError as error:
                waited = time.monotonic() - started
                if error.code != 404 or waited > APPEAR_SECONDS:
                    raise UnavailableError(f"DAG {dag_id} at {self.address}", waited, _detail(error)) from None
            else:
                return
            time.sleep(POLL_SECONDS)

    def _send(self, path: str, body: Mapping[str, Any] | None = None, *, method: str | None = None) -> Any:
        """Send a request, and return its answer.

        A GET of `path`, or a POST of `body` (or `method`). The caller interprets an ``HTTPError``.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is the local stack's
            f"{self.address}/api/v2{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Accept": "application/json", "Content-Type": "application/json"},
            method=method,
        )
        started = time.monotonic()
        try:
            with OPENER.open(request, timeout=REQUEST_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError as error:
            waited = time.monotonic() - started
            raise UnavailableError(f"Airflow at {self.address}", waited, str(error)) from error


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _log_lines(entry: str | Mapping[str, Any]) -> list[str]:
    """Return the lines of a log entry, with exceptions reduced to their messages."""
    if isinstance(entry, str):
        return entry.splitlines()
    raised = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    return "\n".join([str(entry["event"]), *raised]).splitlines()


def _detail(error: urllib.error.HTTPError) -> str:
    """Return the message of an error of Airflow, or its bare status.

    The schema of a refused param is left out.
    """
    try:
        detail = json.load(error)["detail"]
    except (ValueError, KeyError, TypeError):
        return str(error)
    return detail.splitlines()[0] if isinstance(detail, str) and detail else json.dumps(detail)
