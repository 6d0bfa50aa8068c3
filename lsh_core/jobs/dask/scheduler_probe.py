"""Probe of a scheduler before Dask connects.

Dask waits forever for a server of another protocol.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from lsh_core.elastic.tls_probe import speaks_tls

_LISTEN_SECONDS = 5.0
_TLS_LISTEN_SECONDS = 1.0


def what_answers(address: str, seconds: float) -> str | None:
    """Return what is wrong with the server at `address`, or None if a Dask scheduler seems to answer.

    Raises
    ------
    OSError
        Nothing listens there, or what does says nothing: a scheduler that is too busy, or a proxy that reaches none.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    where = (parts.hostname or "", parts.port or 0)
    if parts.scheme not in ("tcp", "tls"):
        return None  # Dask says of others what it needs.
    with socket.create_connection(where, timeout=seconds):
        pass
    # A scheduler without TLS speaks first, and takes whatever it is sent for the length of a message.
    secret = parts.scheme == "tls"
    if _answer(where, b"", _TLS_LISTEN_SECONDS if secret else _LISTEN_SECONDS):
        return f"it does not speak TLS: write tcp://{parts.netloc}, or start it with TLS" if secret else None
    if speaks_tls(*where, seconds=_LISTEN_SECONDS):
        remedy = f"write tls://{parts.netloc}, and give the certificates as DASK_DISTRIBUTED__COMM__TLS__*"
        return None if secret else f"it speaks TLS: {remedy}"
    answer = _answer(where, b"GET / HTTP/1.0\r\n\r\n", _LISTEN_SECONDS)
    if not answer:
        raise TimeoutError("it takes connections, but says nothing")
    if answer.startswith(b"HTTP"):
        return "it speaks HTTP, as the dashboard of a scheduler does: write the scheduler's own port, 8786 by default"
    if not secret and _answer(where, b"", _LISTEN_SECONDS):
        return None  # It was busy before.
    return "it does not speak Dask's protocol: write the address of a Dask scheduler"


def _answer(where: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Return how a server answers `question`, or begins where that is empty; nothing if it says nothing in time."""
    try:
        with socket.create_connection(where, timeout=seconds) as connection:
            connection.sendall(question)
            return connection.recv(16)
    except OSError:
        return b""
