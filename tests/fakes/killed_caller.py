"""One caller's line to a server in memory: something can happen before any of its calls, its death too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsh_core.elastic.system_indices import CHANGES
from tests.fakes.memory_server import MemoryServer
from tests.fakes.stale_node import StaleNode


class KilledError(Exception):
    """The caller is dead: nothing that it still tries reaches the server."""


class MemoryLine:
    """A connection of two nodes, the client of both, and the client's ``indices`` and ``cluster``.

    Two lines to one server are equal: what was read through one of them may be kept for the other.

    Attributes
    ----------
    before
        Called before each call with its name.
    dead
        Whether every call fails.
    stale
        What the first node reads the journal from, if it was cut off and is back.
    """

    urls = (*MemoryServer.urls, "http://another:9200")
    request_timeout_seconds = MemoryServer.request_timeout_seconds

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self.before: Callable[[str], None] | None = None
        self.dead = False
        self.stale: StaleNode | None = None
        self.indices = self.cluster = self

    def client(self, node: int = 0) -> Any:
        """Return the client of a node."""
        return self if node or self.stale is None else _Behind(self, self.stale)

    def options(self, **_: Any) -> MemoryLine:
        """Take any options of a request."""
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._server, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if arguments[:1] == ("GET",):  # A ping is no call: a slow machine decides when one is sent.
                return method(*arguments, **named)
            if self.before is not None:
                self.before(name)
            if self.dead:
                raise KilledError(name)
            return method(*arguments, **named)

        return call

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryLine) and other._server is self._server

    def __hash__(self) -> int:
        return hash(id(self._server))


class _Behind:
    """A client of a node that reads the journal as it was; its other requests reach the nodes that they are for."""

    def __init__(self, line: MemoryLine, stale: StaleNode) -> None:
        self._line, self._stale = line, stale
        self.indices = self.cluster = self

    def options(self, **_: Any) -> _Behind:
        """Take any options of a request."""
        return self

    def __getattr__(self, name: str) -> Any:
        method, old = getattr(self._line, name), getattr(self._stale.frozen, name)

        def call(*arguments: Any, **named: Any) -> Any:
            of_journal = CHANGES in str(named.get("index") or named.get("pit") or named.get("id"))
            if name not in ("stats", "search", "open_point_in_time", "close_point_in_time") or not of_journal:
                return method(*arguments, **named)
            if self._line.before is not None:
                self._line.before(name)
            return old(*arguments, **named)

        return call
