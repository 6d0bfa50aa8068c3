"""Runs one Elasticsearch node on this machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsh_core.errors import StackError
from lsh_core.local.account import Account, give
from lsh_core.local.distribution import Distribution
from lsh_core.local.java import Java
from lsh_core.local.machine import MEBIBYTE
from lsh_core.local.ports import HOST
from lsh_core.local.process import Identity, ManagedProcess

STOP_SECONDS = 20.0
INHERITED = ("LANG", "LC_ALL", "TZ")

_CAUSES = (
    (r"Address already in use|BindException", "its port {port} was taken by another program while it started",
     "Start it again: other ports are picked."),
    (r"No space left on device", "the disk is full", "Free some space."),
    (r"Cannot allocate memory|insufficient memory|OutOfMemoryError", "there is not enough memory",
     "End other programs, or start fewer nodes."),
    (r"failed to obtain node locks", "another node uses its data folder", "Stop the other stack first: airlsh down."),
    (r"can not run elasticsearch as root", "it refuses to run as root", "Run as an ordinary user."),
    (r"cannot downgrade a node", "its data was written by a newer Elasticsearch",
     "Use that version, or delete the stack's folder."),
    (r"AccessDeniedException|Permission denied", "a file of it may not be read or written", ""),
)  # fmt: skip


@dataclass(frozen=True)
class NodeSettings:
    """Settings of a node."""

    number: int
    count: int
    cluster_name: str
    http_port: int
    transport_ports: tuple[int, ...]
    heap_bytes: int

    @property
    def name(self) -> str:
        """Name of the node in its cluster."""
        return f"node-{self.number + 1}"

    def configuration(self, home: Path) -> dict[str, object]:
        """Return the node's ``elasticsearch.yml``.

        Security and disk watermarks are off: the node listens on this machine only, for one user.
        """
        discovery: dict[str, object] = {"discovery.type": "single-node"}
        if self.count > 1:
            discovery = {
                "discovery.seed_hosts": [f"{HOST}:{port}" for port in self.transport_ports],
                "cluster.initial_master_nodes": [f"node-{number + 1}" for number in range(self.count)],
            }
        return {
            "cluster.name": self.cluster_name,
            "node.name": self.name,
            "network.host": HOST,
            "http.port": self.http_port,
            "transport.port": self.transport_ports[self.number],
            "path.data": str(home / "data"),
            "path.logs": str(home / "logs"),
            "xpack.security.enabled": False,
            "cluster.routing.allocation.disk.threshold_enabled": False,
            **discovery,
        }


class ElasticsearchNode:
    """A node that can be started, killed, suspended and restarted on its data.

    Parameters
    ----------
    home
        Folder of configuration, data and logs; created if missing, and owned by `account`.
    log
        File for its output.
    """

    def __init__(
        self,
        settings: NodeSettings,
        *,
        distribution: Distribution,
        java: Java,
        account: Account | None,
        home: Path,
        log: Path,
        marker: str,
    ) -> None:
        self.settings, self.home = settings, home
        self._distribution, self._java, self._account = distribution, java, account
        self._process = ManagedProcess(f"elasticsearch {settings.name}", marker, log)

    @property
    def url(self) -> str:
        """URL of the node."""
        return f"http://{HOST}:{self.settings.http_port}"

    @property
    def identity(self) -> Identity | None:
        """Process of the node, after the launch."""
        return self._process.identity

    def launch(self) -> None:
        """Write the configuration and start the process; it is not ready yet."""
        self._write_configuration()
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "ES_JAVA_HOME": str(self._java.home),
            "ES_PATH_CONF": str(self.home / "config"),
            "ES_TMPDIR": str(self.home / "tmp"),
        }
        command = [str(self._distribution.home / "bin" / "elasticsearch")]
        self._process.launch(command, environment=environment, folder=self.home, account=self._account)

    def _write_configuration(self) -> None:
        config = self.home / "config"
        shutil.rmtree(config, ignore_errors=True)
        # Copied file by file: the original permissions may be too narrow for the account of the node.
        shutil.copytree(self._distribution.home / "config", config, copy_function=shutil.copyfile)
        lines = (f"{key}: {_yaml(value)}" for key, value in self.settings.configuration(self.home).items())
        (config / "elasticsearch.yml").write_text("\n".join(lines) + "\n")
        heap = self.settings.heap_bytes // MEBIBYTE
        options = config / "jvm.options.d"
        options.mkdir(exist_ok=True)
        (options / "airlsh.options").write_text(f"-Xms{heap}m\n-Xmx{heap}m\n")
        for name in ("data", "logs", "tmp"):
            (self.home / name).mkdir(exist_ok=True)
        for folder in (self.home, config, options):
            folder.chmod(0o755)
        give(self._account, self.home)

    def check_alive(self) -> None:
        """Raise :class:`StackError` with the end of the log if the process has ended."""
        code = self._process.exit_code()
        if code is not None:
            raise self._death(code)

    def _death(self, code: int) -> StackError:
        text = self._process.log.read_text(errors="replace")
        matching = ((cause, remedy) for pattern, cause, remedy in _CAUSES if re.search(pattern, text))
        cause, remedy = next(matching, ("it ended while starting", ""))
        cause = cause.format(port=self.settings.http_port)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        remedy = f"{remedy} The whole log: {self._process.log}".strip()
        return StackError(self._process.part, f"{cause} ({how})", self._process.log_tail(), remedy)

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        return self._process.log_tail()

    def terminate(self) -> None:
        """Request a shutdown, without waiting."""
        self._process.signal(signal.SIGTERM)

    def stop(self) -> None:
        """Shut the node down in order."""
        self._process.stop(grace_seconds=STOP_SECONDS)

    def kill(self) -> None:
        """Kill the node at once, like a power failure."""
        self._process.signal(signal.SIGKILL)
        self._process.stop(grace_seconds=0)

    def suspend(self) -> None:
        """Suspend the node with open connections, so that it hangs."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the node after :meth:`suspend`."""
        self._process.signal(signal.SIGCONT)


def _yaml(value: object) -> str:
    """Return a string, number, truth value or list of strings as YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
