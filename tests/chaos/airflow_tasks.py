"""The processes of Airflow's tasks, to be killed, and the clearing of a task that was."""

from __future__ import annotations

import os
import signal
import time
from urllib.parse import quote

from lsh_core.local.airflow_rest import AirflowRest

POLL_SECONDS = 0.05
START_SECONDS = 180.0


class AirflowTasks(AirflowRest):
    """Airflow's REST API, with what it knows of the process of a task."""

    def wait_for_process(self, dag: str, run: str, task: str) -> int:
        """Wait until `task` runs, and return its process id."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = self._send(f"/dags/{quote(dag)}/dagRuns/{quote(run, safe='')}/taskInstances/{quote(task)}")
            if found["state"] == "running" and found["pid"]:
                return int(found["pid"])
            assert found["state"] not in ("success", "failed", "upstream_failed"), found
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{task} of {run} did not start in {START_SECONDS:.0f} s")

    def wait_for_state(self, dag: str, run: str, task: str, *states: str) -> str:
        """Wait until `task` is in one of `states`, and return which."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = next(each.state for each in self.tasks(dag, run) if each.task == task)
            if found in states:
                return str(found)
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{task} of {run} was not {' or '.join(states)} in {START_SECONDS:.0f} s")

    def clear(self, dag: str, run: str, task: str) -> None:
        """Clear `task` and all that follows it, as a person would on its page."""
        body = {
            "dry_run": False,
            "dag_run_id": run,
            "task_ids": [task],
            "only_failed": False,
            "include_downstream": True,
            "reset_dag_runs": True,
        }
        self._send(f"/dags/{quote(dag)}/clearTaskInstances", body)


def kill(process: int) -> bool:
    """End a process with SIGKILL; return whether it was there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
