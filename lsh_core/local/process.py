"""Manages processes of the stack, each in its own session.

Every process of a part has a marker in its environment, which children inherit, and belongs to the session of the
part's first process. Both identify a process even after its parent died. A process with a recycled process id is never
touched.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsh_core.errors import StackError
from lsh_core.local.account import Account

if TYPE_CHECKING:
    import psutil

logger = logging.getLogger("lsh_core.local")

MARKER = "AIRLSH_STACK_PART"
# Dask and Airflow rename their processes; without this setting the new name overwrites their environment.
KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}
TAIL_LINES = 15
POLL_SECONDS = 0.05
KILL_SECONDS = 5.0
# Start times depend on the boot time, which changes slightly when the clock is set.
START_TOLERANCE_SECONDS = 2.0

# Kept until they end: a stack outlives the objects that started it.
_launched: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Identity:
    """Process id and start time, in seconds since the epoch.

    The pair is unique.
    """

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Return the process; None if it ended or its id was recycled."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < START_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class ManagedProcess:
    """A command of the stack, with its log.

    Parameters
    ----------
    part
        Name in messages.
    marker
        Marker that is unique to the part; see the module's docstring.
    log
        File that takes its standard output and error.
    """

    def __init__(self, part: str, marker: str, log: Path) -> None:
        self.part, self.marker, self.log = part, marker, log
        self._popen: subprocess.Popen[bytes] | None = None
        self.identity: Identity | None = None

    def launch(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path | None = None,
        account: Account | None = None,
    ) -> None:
        """Start `command`; its log starts anew."""
        import psutil

        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            try:
                self._popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**environment, **KEEP_ENVIRONMENT, MARKER: self.marker},
                    start_new_session=True,
                    **(account.popen_arguments() if account else {}),
                )
            except OSError as error:
                raise StackError(self.part, f"{command[0]} cannot be started: {error}") from error
        _launched.add(self._popen)
        try:
            self.identity = Identity(self._popen.pid, psutil.Process(self._popen.pid).create_time())
        except psutil.NoSuchProcess:
            self.identity = Identity(self._popen.pid, time.time())

    def exit_code(self) -> int | None:
        """Return the exit code of the process, None while it runs."""
        return self._popen.poll() if self._popen else None

    def log_tail(self) -> str:
        """Return the last lines of the log."""
        return tail(self.log)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the part."""
        for process in self.processes():
            _send(process, number)

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the part."""
        return find(self.marker, [self.identity] if self.identity else [])

    def stop(self, *, grace_seconds: float) -> None:
        """End every process of the part; kill those that remain after `grace_seconds`."""
        stop_all(self.marker, [self.identity] if self.identity else [], grace_seconds=grace_seconds)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last `lines` of a text file; empty if missing."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def find(marker: str, leaders: Iterable[Identity] = ()) -> list[psutil.Process]:
    """Return all live processes that belong to a part.

    Parameters
    ----------
    marker
        Marker of a part, or common beginning of several markers up to a slash.
    leaders
        First processes of the parts, whose sessions are included.
    """
    import psutil

    sessions = {leader.pid for leader in leaders if leader.process() or not psutil.pid_exists(leader.pid)}
    found = []
    for process in psutil.process_iter():
        try:
            belongs = os.getsid(process.pid) in sessions or _is_marked(process, marker)
            if belongs and process.pid != os.getpid() and _runs(process):
                found.append(process)
        except (psutil.Error, OSError):  # ended meanwhile, or owned by another user
            continue
    return found


def _is_marked(process: psutil.Process, marker: str) -> bool:
    value: str = process.environ().get(MARKER, "")
    return value == marker or value.startswith(marker + "/")


def stop_all(marker: str, leaders: Sequence[Identity] = (), *, grace_seconds: float) -> list[int]:
    """Terminate every process of :func:`find`, then kill the rest.

    Returns
    -------
    list of int
        Ids of the ended processes.
    """
    stopped: set[int] = set()
    processes = find(marker, leaders)
    _send_all(processes, signal.SIGTERM)
    _send_all(processes, signal.SIGCONT)  # a suspended process would never receive the first
    deadline = time.monotonic() + grace_seconds
    while processes:
        stopped.update(process.pid for process in processes)
        _wait_until_ended(processes, max(0.0, deadline - time.monotonic()))
        processes = find(marker, leaders)  # includes children that were started meanwhile
        if processes and time.monotonic() >= deadline:
            logger.debug("%s: %d processes did not end in time and are killed", marker, len(processes))
            _send_all(processes, signal.SIGKILL)
            _wait_until_ended(processes, KILL_SECONDS)
    _launched.difference_update([popen for popen in _launched if popen.poll() is not None])
    return sorted(stopped)


def _wait_until_ended(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Wait without collecting exit codes, which are read elsewhere for children of this process."""
    deadline = time.monotonic() + seconds
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _send_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        _send(process, number)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
