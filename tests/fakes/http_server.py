"""An HTTP server on this machine that answers as it is told, for what is no Elasticsearch or stands before one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ELASTIC = {"x-elastic-product": "Elasticsearch", "content-type": "application/vnd.elasticsearch+json"}
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html", "server": "nginx"}


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Canned:
    """One answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: HTML)
    body: object = b""

    def raw(self) -> bytes:
        """Return the body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@contextmanager
def canned_server(answer: Callable[[Request], Canned]) -> Iterator[tuple[str, list[Request]]]:
    """Serve `answer`; yield the address, and the requests that came."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            request = Request(self.command, self.path, {name.lower(): each for name, each in self.headers.items()})
            requests.append(request)
            canned = answer(request)
            body = canned.raw()
            self.send_response_only(canned.status)
            for name, value in canned.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _any

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
