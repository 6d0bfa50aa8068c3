"""Runs Elasticsearch in a container, for machines that cannot unpack a node."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from typing import Any

from lsh_core.errors import StackError
from lsh_core.local.distribution import DEFAULT_VERSION
from lsh_core.local.process import Identity
from lsh_core.local.readiness import Readiness
from lsh_core.local.waiting import StartablePart

logger = logging.getLogger("lsh_core.local")

IMAGE = "docker.elastic.co/elasticsearch/elasticsearch"
SETTINGS = {
    "discovery.type": "single-node",
    "xpack.security.enabled": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "ES_JAVA_OPTS": "-Xms1g -Xmx1g",
}
ANSWER_SECONDS = 10


def docker_answers() -> bool:
    """Return whether this user may use a Docker engine."""
    program = shutil.which("docker")
    if program is None:
        return False
    try:
        answer = subprocess.run([program, "info"], capture_output=True, timeout=ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


class ElasticsearchContainer(StartablePart):
    """One Elasticsearch node in a container, through testcontainers."""

    name = "elasticsearch"
    start_seconds = 300.0

    def __init__(self, version: str = DEFAULT_VERSION) -> None:
        super().__init__()
        self.version = version
        self._container: Any = None
        self._readiness = Readiness()
        self.urls: tuple[str, ...] = ()

    @property
    def leaders(self) -> dict[str, Identity]:
        """None: its processes belong to the engine."""
        return {}

    @property
    def identifier(self) -> str | None:
        """Id of the container, after the launch."""
        return self._container.get_wrapped_container().id if self._container else None

    def prepare(self) -> None:
        """Do nothing: the image has everything, and the engine picks the port."""

    def launch(self) -> None:
        """Start the container; it is not ready yet."""
        # The reaper would remove the container with this process, and `up` leaves it running.
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        try:
            from testcontainers.core.container import DockerContainer
        except ImportError as error:
            raise StackError(
                self.name, "Docker answers, but testcontainers is not installed", remedy="pip install testcontainers"
            ) from error
        container: Any = DockerContainer(f"{IMAGE}:{self.version}")
        container.with_bind_ports("9200/tcp", ("127.0.0.1", None))  # any port, of this machine only
        for name, value in SETTINGS.items():
            container.with_env(name, value)
        logger.info("starting Elasticsearch %s in a container", self.version)
        try:
            self._container = container.start()
        except Exception as error:  # testcontainers passes on what Docker's client raises
            raise StackError(self.name, f"its container cannot be started: {error}") from error
        port = self._container.get_exposed_port(9200)
        self.urls = (f"http://{self._container.get_container_host_ip()}:{port}",)

    def waiting_for(self) -> str | None:
        """See :class:`lsh_core.local.waiting.Part`."""
        self._container.get_wrapped_container().reload()
        if self._container.get_wrapped_container().status != "running":
            raise StackError(self.name, "its container ended while starting", self.log_tail())
        return self._readiness.waiting_for(self.urls[0], 1)

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        return str(self._container.get_wrapped_container().logs(tail=15).decode(errors="replace"))

    def stop(self, *, delete_data: bool = True) -> None:
        """Stop and remove the container with its data."""
        if self._container is not None:
            self._container.stop()


def container_runs(identifier: str) -> bool:
    """Return whether a container runs; without an engine, False."""
    answer = _docker("inspect", "--format", "{{.State.Running}}", identifier)
    return answer is not None and answer.stdout.strip() == b"true"


def remove_container(identifier: str) -> bool:
    """Stop and remove any container; return whether it existed.

    Raises
    ------
    StackError
        The container still exists.
    """
    answer = _docker("rm", "--force", "--volumes", identifier)
    if answer is None:
        return False
    said = answer.stderr.decode(errors="replace").strip()
    if "no such container" in said.lower():  # some versions of Docker call that a success, others do not
        return False
    if answer.returncode != 0:
        raise StackError(
            "elasticsearch",
            f"its container {identifier[:12]} cannot be removed: {said}",
            remedy="When Docker answers again: airlsh down",
        )
    return True


def _docker(*arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """Return Docker's answer; None if Docker is missing."""
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
