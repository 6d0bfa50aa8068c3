"""A node on a real socket that falls silent, or holds its answers, when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lsh_core.elastic.connection import Connection

QUICK: dict[str, float] = {"patience_seconds": 0.05, "ping_seconds": 0.2}
"""For `watched`: what a test has time for."""


class Node(ThreadingHTTPServer):
    """Answers pings while `alive`, and everything else once `done` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        self.alive, self.done, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.alive.set()
        self.pings = 0
        self.ping_status = 200
        super().__init__(("127.0.0.1", 0), Handler)
        self.connection = Connection((f"http://127.0.0.1:{self.server_address[1]}",))


class Handler(BaseHTTPRequestHandler):
    """Holds what may not be answered yet."""

    protocol_version = "HTTP/1.1"
    server: Node

    def do_GET(self) -> None:
        ping = self.path.startswith("/_cluster/health")
        gate = self.server.alive if ping else self.server.done
        while not gate.wait(0.02):
            if self.server.closed.is_set():
                return
        self.server.pings += ping
        self.send_response(self.server.ping_status if ping else 200)
        self.send_header("content-type", "application/json")
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Node]:
    """A node that answers until the block ends."""
    server = Node()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()
