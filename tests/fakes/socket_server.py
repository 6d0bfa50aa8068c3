"""A server on this machine whose connections are handled byte by byte."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Received:
    """One HTTP request, and the number of reads that it took."""

    head: bytes
    body: bytes
    reads: int


class Caller:
    """One connection; `number` counts connections from 0."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.connection, self.number = connection, number

    def request(self) -> Received | None:
        """Read the next request; None where the caller has gone."""
        read, reads = b"", 0
        while True:
            head, end, body = read.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if end and len(body) >= (int(length[1]) if length else 0):
                return Received(head, body, reads)
            more = self.connection.recv(2**20)
            if not more:
                return None
            read, reads = read + more, reads + 1

    def send(self, *parts: bytes) -> None:
        """Send each of `parts` in a write of its own."""
        for part in parts:
            self.connection.sendall(part)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


@contextmanager
def socket_server(serve: Callable[[Caller], None]) -> Iterator[str]:
    """Run `serve` for each connection; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def handle(caller: Caller) -> None:
            with caller.connection, suppress(OSError):
                caller.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(caller)

        def accept() -> None:
            number = 0
            with suppress(OSError):
                while True:
                    caller = Caller(server.accept()[0], number)
                    threading.Thread(target=handle, args=(caller,), daemon=True).start()
                    number += 1

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
