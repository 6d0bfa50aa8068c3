"""Judges the readiness of the local Elasticsearch; unneeded red indices do not block it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.red_indices import missing_state, red_indices_if_told, unassignable
from lsh_core.local.http_probe import get_json

logger = logging.getLogger("lsh_core.local")

STEADY_SECONDS = 3.0
"""Time without any node taking a shard after which its index is ignored; longer than a master's check interval."""


class Readiness:
    """Judges the health of a cluster from consecutive answers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady: tuple[frozenset[str], float] | None = None

    def waiting_for(self, url: str, nodes: int) -> str | None:
        """Return a description of the missing parts of the cluster, or None if ready."""
        health = get_json(f"{url}/_cluster/health?level=indices&wait_for_nodes={nodes}&timeout=1s", timeout_seconds=5)
        return f"an answer from {url}" if health is None else self.judge(health, nodes)

    def judge(self, health: dict[str, Any], nodes: int) -> str | None:
        """Return a description of the problem in a health answer, or None."""
        if health["number_of_nodes"] < nodes:
            return f"{nodes} nodes ({health['number_of_nodes']} so far)"
        red = unassignable(health)
        if red is None:
            self._steady = None
            return "its indices"
        if lacking := missing_state(red):
            return f"a node that takes the primary shard of {', '.join(lacking)}"
        return self._until_steady(frozenset(red))

    def _until_steady(self, red: frozenset[str]) -> str | None:
        """Return None once the same indices have been red for a while.

        By then Elasticsearch has made all of its attempts.
        """
        if not red:
            return None
        now = self._clock()
        if self._steady is None or self._steady[0] != red:
            self._steady = red, now
        return None if now - self._steady[1] >= STEADY_SECONDS else f"red indices: {', '.join(sorted(red))}"


def warn_of_red(urls: Sequence[str]) -> None:
    """Log each red index of the local cluster, and the command that removes it."""
    for each in red_indices_if_told(Cluster(Connection(tuple(urls)))):
        logger.warning("%s; to remove it: %s", each, each.command)
