"""A cluster in memory with a node that was cut off and is back: for seconds it answers from what it knew before."""

from __future__ import annotations

from copy import copy
from typing import Any

from tests.fakes.memory_server import MemoryServer, refuse

_WRITES = frozenset({"create", "update_aliases", "index", "update", "delete", "bulk", "perform_request", "put_mapping"})


class StaleNode:
    """A client of a node whose copies are those of the moment when it is made; it acknowledges no write."""

    def __init__(self, server: MemoryServer) -> None:
        self.frozen = copy(server)
        self.frozen.documents = dict(server.documents)
        self.frozen.aliases = {index: dict(aliases) for index, aliases in server.aliases.items()}
        self.frozen._views = {}
        self.frozen._last_seq_no = dict(server._last_seq_no)
        self.asked: list[str] = []
        self.indices = self.cluster = self

    def options(self, **_: Any) -> StaleNode:
        """Take any options of a request."""
        return self

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        if name in _WRITES:
            return lambda *_, **__: refuse(503, "unavailable_shards_exception")
        return getattr(self.frozen, name)


class PartlyStale:
    """A connection whose first node, the one that is asked first, is stale."""

    urls = ("http://stale:9200", "http://memory:9200")
    request_timeout_seconds = MemoryServer.request_timeout_seconds

    def __init__(self, stale: StaleNode, server: Any) -> None:
        self._nodes = (stale, server)

    def client(self, node: int = 0) -> Any:
        """Return the client of a node."""
        return self._nodes[node]
