"""Runs a Dask scheduler and workers as separate processes.

An Airflow task cannot spawn processes, so the cluster must already run.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lsh_core.errors import StackError
from lsh_core.local.http_probe import get_json
from lsh_core.local.machine import MEBIBYTE, shared_memory_bytes
from lsh_core.local.ports import HOST, PortReservation
from lsh_core.local.process import Identity, ManagedProcess
from lsh_core.local.waiting import StartablePart, wait_until_ready

if TYPE_CHECKING:
    import psutil

WORKER_BYTES = 3072 * MEBIBYTE
MIN_WORKER_BYTES = 512 * MEBIBYTE
MEMORY_SHARE = 0.5
PREFERRED_PORT, PREFERRED_DASHBOARD_PORT = 8786, 8787
STOP_SECONDS = 10.0
# Two workers with two BLAS threads each on two cores lose a third of their speed.
ONE_BLAS_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DaskCluster(StartablePart):
    """Scheduler and workers of one thread each on 127.0.0.1.

    It is ready when all workers are registered.

    Parameters
    ----------
    workers
        Number of worker processes. A nanny replaces a dead worker.
    folder
        Folder of logs and spilled data.
    port
        Port of the scheduler, which must be free; default: any free one.
    prefer_usual_ports
        Take 8786, and 8787 for the dashboard, if they are free.
    marker
        Marker of its processes; default: a random one.
    reservation
        Reserves its ports while it starts; the caller closes it.
    """

    name = "dask"
    start_seconds = 180.0

    def __init__(
        self,
        *,
        workers: int = 2,
        folder: Path = Path(".airlsh"),
        port: int | None = None,
        prefer_usual_ports: bool = False,
        marker: str | None = None,
        reservation: PortReservation | None = None,
    ) -> None:
        super().__init__(reservation)
        self.workers, self.folder = workers, folder.resolve()
        self._port, self._prefer = port, prefer_usual_ports
        self.marker = marker or uuid.uuid4().hex
        logs = self.folder / "logs"
        self._scheduler = ManagedProcess("dask scheduler", f"{self.marker}/scheduler", logs / "dask-scheduler.log")
        self._workers = ManagedProcess("dask workers", f"{self.marker}/workers", logs / "dask-workers.log")
        self._worker_bytes = WORKER_BYTES
        self.address = self.dashboard = ""

    @property
    def leaders(self) -> dict[str, Identity]:
        """Launched processes, by name."""
        named = {"dask/scheduler": self._scheduler.identity, "dask/workers": self._workers.identity}
        return {name: identity for name, identity in named.items() if identity}

    def prepare(self) -> None:
        """Pick the ports and divide the memory, before any start."""
        self._worker_bytes = shared_memory_bytes(
            self.name, wanted=WORKER_BYTES, minimum=MIN_WORKER_BYTES, takers=self.workers, share=MEMORY_SHARE
        )
        preferred = (PREFERRED_PORT, PREFERRED_DASHBOARD_PORT) if self._prefer else (None, None)
        port = self._reservation.pick(self.name, exact=self._port, preferred=preferred[0])
        dashboard_port = self._reservation.pick(self.name, preferred=preferred[1])
        self.address, self.dashboard = f"tcp://{HOST}:{port}", f"http://{HOST}:{dashboard_port}"

    def launch(self) -> None:
        """Start the processes; they are not ready yet."""
        environment = {**os.environ, **ONE_BLAS_THREAD}
        port = self.address.rpartition(":")[2]
        dashboard = self.dashboard.removeprefix("http://")
        scheduler = ["--host", HOST, "--port", port, "--dashboard-address", dashboard]
        self._scheduler.launch(_command("scheduler", *scheduler), environment=environment)
        spill = self.folder / "dask"
        spill.mkdir(parents=True, exist_ok=True)
        workers = [self.address, "--host", HOST, "--nworkers", str(self.workers), "--nthreads", "1"]
        # Without a dashboard a worker still serves pages, by default on every interface.
        workers += ["--no-dashboard", "--dashboard-address", f"{HOST}:0"]
        workers += ["--memory-limit", str(self._worker_bytes), "--local-directory", str(spill), "--name", "worker"]
        self._workers.launch(_command("worker", *workers), environment=environment)

    def waiting_for(self) -> str | None:
        """See :class:`lsh_core.local.waiting.Part`."""
        for process in (self._scheduler, self._workers):
            if process.exit_code() is not None:
                raise StackError(
                    process.part,
                    f"it ended while starting (exit code {process.exit_code()})",
                    process.log_tail(),
                    f"The whole log: {process.log}",
                )
        counts = get_json(f"{self.dashboard}/json/counts.json")
        if counts is None:
            return f"the scheduler at {self.address}"
        if counts["workers"] < self.workers:
            return f"{self.workers} workers ({counts['workers']} are registered)"
        return None

    def kill_worker(self, number: int = 0) -> int:
        """Kill a worker process like the out-of-memory killer; return its id.

        Its nanny starts a new worker. `number` counts the live workers, by process id.
        """
        workers = self._worker_processes()
        if not workers:
            raise StackError("dask workers", "none of them is running", self.log_tail())
        victim = workers[number % len(workers)]
        victim.kill()
        return int(victim.pid)

    def kill_scheduler(self) -> None:
        """Kill the scheduler. Each worker ends when it notices, after its current task."""
        self._scheduler.signal(signal.SIGKILL)
        self._scheduler.stop(grace_seconds=0)

    def restart(self) -> None:
        """Start scheduler and workers again, at the same addresses.

        Remaining old workers are ended.
        """
        self.stop()
        self.launch()
        wait_until_ready([self])

    def _worker_processes(self) -> list[psutil.Process]:
        """Return the worker processes: children of the nannies without the resource tracker."""
        import psutil

        leader = self._workers.identity
        parent = leader.process() if leader else None
        found = []
        for child in parent.children() if parent else []:
            with suppress(psutil.Error):  # ended meanwhile
                if "resource_tracker" not in " ".join(child.cmdline()):
                    found.append(child)
        return sorted(found, key=lambda process: process.pid)

    def log_tail(self) -> str:
        """Return the last lines of the workers' output."""
        return self._workers.log_tail()

    def stop(self) -> None:
        """End workers and scheduler."""
        self._workers.stop(grace_seconds=STOP_SECONDS)
        self._scheduler.stop(grace_seconds=STOP_SECONDS)


def _command(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
