"""Picks free ports on 127.0.0.1, without conflicts of concurrent stacks.

A port is tried by binding it, and reserved by a lock on a small file until its process has bound it. Ports come from
below the kernel's range of outgoing connections, so that no client connection takes a port meanwhile.
"""

from __future__ import annotations

import fcntl
import random
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Self

from lsh_core.errors import StackError
from lsh_core.local.machine import cache_folder

HOST = "127.0.0.1"
RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Return whether nothing listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class PortReservation:
    """Picks ports, and reserves them until it is closed."""

    def __init__(self) -> None:
        self._folder = cache_folder() / "ports"
        self._locks: list[IO[str]] = []

    def pick(self, part: str, *, preferred: int | None = None, exact: int | None = None) -> int:
        """Return a port for `part`: `exact`, else `preferred` if free, else any.

        Raises
        ------
        StackError
            `exact` is in use, or no port is free.
        """
        if exact is not None:
            if self._take(exact):
                return exact
            raise StackError(
                part,
                f"port {exact} on {HOST} is in use{_holder(exact)}",
                remedy="Stop what listens there, or leave the port out and a free one is picked.",
            )
        for port in _candidates(preferred):
            if self._take(port):
                return port
        raise StackError(part, f"no port from {RANGE.start} to {RANGE.stop - 1} on {HOST} is free")

    def _take(self, port: int) -> bool:
        self._folder.mkdir(exist_ok=True)
        lock = (self._folder / str(port)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        if not is_free(port):
            lock.close()
            return False
        self._locks.append(lock)
        return True

    def close(self) -> None:
        """Release the ports, which their processes have bound by now."""
        for lock in self._locks:
            lock.close()
        self._locks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _candidates(preferred: int | None) -> Iterator[int]:
    if preferred is not None:
        yield preferred
    yield from random.sample(RANGE, len(RANGE))


def _holder(port: int) -> str:
    """Return the process that listens on `port`, if the operating system shows it."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""
