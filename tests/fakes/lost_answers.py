"""A line to a server in memory on which answers get lost, and requests are executed late."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from elastic_transport import ConnectionTimeout
from elasticsearch import ApiError

from lsh_core.elastic.cluster import Cluster
from tests.fakes.memory_server import Answer, MemoryServer


class LossyLine:
    """A connection of two nodes; the next answer to `method` of the first node is lost.

    Attributes
    ----------
    lost
        Number of lost answers.
    """

    urls = ("http://lossy:9200", "http://memory:9200")

    def __init__(self, server: MemoryServer, method: str, *, late: bool = False) -> None:
        self.server, self._method, self._late = server, method, late
        self.lost = 0
        self._held: list[Callable[[], Any]] = []

    @property
    def cluster(self) -> Cluster:
        """The cluster behind this line."""
        connection: Any = self
        return Cluster(connection)

    def client(self, node: int = 0) -> Any:
        """Return the client of a node."""
        return _Client(self, lossy=node == 0)

    def wake(self) -> None:
        """Execute the requests that the first node kept, as a hung node does when it wakes."""
        assert self._held
        for request in self._held:
            with suppress(ApiError):
                request()

    def answer(self, name: str, request: Callable[[], Any]) -> Any:
        """Return the answer to a request of the first node, or lose it."""
        if name != self._method or self.lost:
            return request()
        self.lost += 1
        if self._late:
            self._held.append(request)
        else:
            request()
        raise ConnectionTimeout("no answer")


class _Client:
    """Client of one node."""

    def __init__(self, line: LossyLine, *, lossy: bool, ignored: int | None = None) -> None:
        self._line, self._lossy, self._ignored = line, lossy, ignored
        self.indices = self.cluster = self

    def options(self, *, ignore_status: int | None = None, **_: Any) -> _Client:
        """Take the statuses that are no errors."""
        return _Client(self._line, lossy=self._lossy, ignored=ignore_status or self._ignored)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._line.server, name)

        def call(*arguments: Any, **named: Any) -> Any:
            def request() -> Any:
                return method(*arguments, **named)

            if arguments[:1] == ("GET",):  # A ping: a slow machine decides when one is sent.
                return request()
            try:
                return self._line.answer(name, request) if self._lossy else request()
            except ApiError as error:
                if error.status_code != self._ignored:
                    raise
                return Answer(error.body)

        return call
