"""One caller's line to a server in memory: something can happen before any of its calls, its death too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.memory_server import MemoryServer


class KilledError(Exception):
    """The caller is dead: nothing that it still tries reaches the server."""


class MemoryLine:
    """A connection of one node, its client, and the client's ``indices`` and ``cluster``.

    Two lines to one server are equal: what was read through one of them may be kept for the other.

    Attributes
    ----------
    before
        Called before each call with its name.
    dead
        Whether every call fails.
    """

    urls = MemoryServer.urls
    request_timeout_seconds = MemoryServer.request_timeout_seconds

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self.before: Callable[[str], None] | None = None
        self.dead = False
        self.indices = self.cluster = self

    def client(self, node: int = 0) -> MemoryLine:
        """Return the client of any node."""
        return self

    def options(self, **_: Any) -> MemoryLine:
        """Take any options of a request."""
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._server, name)

        def call(*arguments: Any, **named: Any) -> Any:
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
