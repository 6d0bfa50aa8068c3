"""Progress of a DAG run: the active task and its duration."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence

from lsh_core.local.airflow_rest import TaskState

logger = logging.getLogger("lsh_core.local")

SAY_AGAIN_SECONDS = 10.0
_SAID = {"success": "done", "failed": "failed", "up_for_retry": "failed, will be tried again", "skipped": "skipped"}


class RunProgress:
    """Callback for the states of all tasks: logs a line for each task that ends.

    In between the active task is shown: on a terminal in a line that is overwritten, elsewhere in a log line every ten
    seconds.

    Parameters
    ----------
    dag_id
        DAG of the run.
    terminal
        Whether standard error is a terminal; default: detected.
    clock
        Monotonic seconds.
    """

    def __init__(
        self, dag_id: str, *, terminal: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dag_id, self._clock = dag_id, clock
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._states: dict[str, tuple[str | None, int]] = {}
        self._working: str | None = None
        self._since = self._said = clock()

    def __call__(self, tasks: Sequence[TaskState]) -> None:
        """Log the changes since the last call."""
        for task in tasks:
            state = (task.state, task.tries)
            if task.state in _SAID and self._states.get(task.task) != state:
                self._clear()
                logger.info("%s: %s %s after %.1f s", self._dag_id, task.task, _SAID[task.state], task.seconds or 0)
            self._states[task.task] = state
        self._show([task.task for task in tasks if task.state == "running"])

    def _show(self, running: Sequence[str]) -> None:
        now = self._clock()
        working = ", ".join(running) or None
        if working != self._working:
            self._working, self._since, self._said = working, now, now
        if self._terminal:
            self._clear()
            sys.stderr.write(f"{self._dag_id}: {working or 'waiting for Airflow'}, {now - self._since:.0f} s")
            sys.stderr.flush()
        elif working and now - self._said >= SAY_AGAIN_SECONDS:
            self._said = now
            logger.info("%s: %s is running, %.0f s", self._dag_id, working, now - self._since)

    def _clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
