"""Runs a cluster of Elasticsearch nodes on this machine."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from lsh_core.local.account import Account, can_reach, give, node_account
from lsh_core.local.distribution import DEFAULT_VERSION, find_distribution
from lsh_core.local.http_probe import get_json
from lsh_core.local.java import require_java
from lsh_core.local.machine import MEBIBYTE, NODE_DISK_BYTES, cache_folder, check_disk, shared_memory_bytes
from lsh_core.local.node import ElasticsearchNode, NodeSettings
from lsh_core.local.ports import PortReservation
from lsh_core.local.process import Identity
from lsh_core.local.readiness import Readiness, warn_of_red
from lsh_core.local.waiting import StartablePart, wait_until_ready

logger = logging.getLogger("lsh_core.local")

ONE_NODE_HEAP_BYTES = 2048 * MEBIBYTE
EACH_NODE_HEAP_BYTES = 700 * MEBIBYTE
MIN_HEAP_BYTES = 256 * MEBIBYTE
MEMORY_SHARE = 0.5
PREFERRED_PORT = 9200


class ElasticsearchCluster(StartablePart):
    """`nodes` Elasticsearch nodes on 127.0.0.1; it is ready when they form a cluster.

    Parameters
    ----------
    nodes
        Number of nodes.
    folder
        Folder of the logs and, if the account of the nodes may enter it, of their data.
    version
        Elasticsearch version that is fetched if ``ES_HOME`` is not set.
    port
        Port of the first node, which must be free; default: any free one.
    prefer_usual_port
        Take 9200 for the first node if it is free.
    marker
        Marker of its processes; default: a random one.
    reservation
        Reserves its ports while it starts; the caller closes it.
    """

    name = "elasticsearch"
    start_seconds = 300.0

    def __init__(
        self,
        *,
        nodes: int = 1,
        folder: Path = Path(".airlsh"),
        version: str = DEFAULT_VERSION,
        port: int | None = None,
        prefer_usual_port: bool = False,
        marker: str | None = None,
        reservation: PortReservation | None = None,
    ) -> None:
        super().__init__(reservation)
        self.count, self.folder, self.version = nodes, folder.resolve(), version
        self._port, self._preferred = port, PREFERRED_PORT if prefer_usual_port else None
        self.marker = marker or uuid.uuid4().hex
        self.home: Path | None = None
        self._readiness = Readiness()
        self.nodes: list[ElasticsearchNode] = []

    @property
    def urls(self) -> tuple[str, ...]:
        """URL of each node."""
        return tuple(node.url for node in self.nodes)

    @property
    def leaders(self) -> dict[str, Identity]:
        """Process of each launched node, by the node's name."""
        return {f"elasticsearch/{node.settings.name}": node.identity for node in self.nodes if node.identity}

    def prepare(self) -> None:
        """Find everything that the nodes need, and pick ports, before any start."""
        account = node_account()
        heap = shared_memory_bytes(
            self.name,
            wanted=ONE_NODE_HEAP_BYTES if self.count == 1 else EACH_NODE_HEAP_BYTES,
            minimum=MIN_HEAP_BYTES,
            takers=self.count,
            share=MEMORY_SHARE,
        )
        java = require_java(account)
        distribution = find_distribution(self.version, account=account)
        self.home = _reachable_folder(self.folder, account) / f"{self.version}-{self.count}"
        self.home.mkdir(exist_ok=True)
        give(account, self.home)
        check_disk(self.name, self.home, NODE_DISK_BYTES * self.count)
        first = self._reservation.pick(self.name, exact=self._port, preferred=self._preferred)
        http_ports = (first, *(self._reservation.pick(self.name) for _ in range(1, self.count)))
        transport_ports = tuple(self._reservation.pick(self.name) for _ in range(self.count))
        for number in range(self.count):
            settings = NodeSettings(
                number, self.count, f"airlsh-{_digest(self.home)}", http_ports[number], transport_ports, heap
            )
            self.nodes.append(
                ElasticsearchNode(
                    settings,
                    distribution=distribution,
                    java=java,
                    account=account,
                    home=_made(self.home / settings.name),
                    log=self.folder / "logs" / f"elasticsearch-{settings.name}.log",
                    marker=f"{self.marker}/{settings.name}",
                )
            )

    def launch(self) -> None:
        """Start the processes; they are not ready yet."""
        for node in self.nodes:
            node.launch()

    def waiting_for(self) -> str | None:
        """See :class:`lsh_core.local.waiting.Part`."""
        for node in self.nodes:
            node.check_alive()
        if lacking := self._readiness.waiting_for(self.urls[0], self.count):
            return lacking
        silent = [url for url in self.urls if get_json(f"{url}/_cluster/health?local=true") is None]
        if silent:
            return f"an answer from {silent[0]}"
        warn_of_red(self.urls)
        return None

    def log_tail(self) -> str:
        """Return the last lines of the first node's output."""
        return self.nodes[0].log_tail() if self.nodes else ""

    def stop(self, *, delete_data: bool = False) -> None:
        """Shut all nodes down; with `delete_data`, delete their data as well."""
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.stop()
        if delete_data and self.home is not None:
            delete_node_folder(self.home)

    def kill_node(self, number: int) -> None:
        """Kill node `number` (from 0) at once, like a power failure."""
        self.nodes[number].kill()

    def restart_node(self, number: int) -> None:
        """Start node `number` (from 0) again, and wait for the whole cluster.

        The node keeps its data and its ports.
        """
        self.nodes[number].launch()
        wait_until_ready([self])

    def suspend_node(self, number: int) -> None:
        """Make node `number` (from 0) hang."""
        self.nodes[number].suspend()

    def resume_node(self, number: int) -> None:
        """Let node `number` (from 0) run again."""
        self.nodes[number].resume()


def delete_node_folder(home: Path) -> None:
    """Delete the data of one cluster's nodes."""
    shutil.rmtree(home, ignore_errors=True)
    with suppress(OSError):  # other clusters keep theirs beside it
        home.parent.rmdir()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _reachable_folder(folder: Path, account: Account | None) -> Path:
    """Return a folder of the nodes that `account` can enter.

    It lies in `folder` or, if `account` cannot enter that, in the shared cache.
    """
    inside = _made(folder / "elasticsearch")
    give(account, inside)
    if can_reach(account, inside, write=True):
        return inside
    outside = _made(cache_folder() / "nodes" / _digest(folder))
    give(account, outside)
    logger.info(
        "%s may not enter %s: the nodes keep their data in %s", account.name if account else "", folder, outside
    )
    return outside
