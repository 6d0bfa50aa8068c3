"""Probe of a scheduler before Dask connects.

Dask waits for ever for a server of another protocol.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from lsh_core.elastic.tls_probe import speaks_tls

_LISTEN_SECONDS = 5.0
_TLS_LISTEN_SECONDS = 1.0


def what_answers(address: str, seconds: float) -> str | None:
    """Return the fault of the server at `address`, or None for a Dask scheduler.

    Raises
    ------
    OSError
        Nothing listens there, or the server is silent: a scheduler that is too busy, or a proxy that reaches no
        scheduler.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    where = (parts.hostname or "", parts.port or 0)
    if parts.scheme not in ("tcp", "tls"):
        return None  # Dask explains the requirements of other protocols itself.
    with socket.create_connection(where, timeout=seconds):
        pass
    # A scheduler without TLS speaks first, and reads the first received bytes as the length of a message.
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
        return None  # The scheduler was busy before.
    return "it does not speak Dask's protocol: write the address of a Dask scheduler"


def _answer(where: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Return the answer of a server to `question`, or its greeting for an empty question.

    A silent server gives an empty answer.
    """
    try:
        with socket.create_connection(where, timeout=seconds) as connection:
            connection.sendall(question)
            return connection.recv(16)
    except OSError:
        return b""
