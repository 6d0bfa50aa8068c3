"""A look at a scheduler's address before Dask connects: Dask waits for ever for a server of another protocol."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

_LISTEN_SECONDS = 5.0
_TLS_LISTEN_SECONDS = 1.0


def what_answers(address: str, seconds: float) -> str | None:
    """Return what is wrong with the server at `address`, or None if a Dask scheduler seems to answer.

    Raises
    ------
    OSError
        Nothing listens there.
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
    if _speaks_tls(where):
        remedy = f"write tls://{parts.netloc}, and give the certificates as DASK_DISTRIBUTED__COMM__TLS__*"
        return None if secret else f"it speaks TLS: {remedy}"
    if _answer(where, b"GET / HTTP/1.0\r\n\r\n", _LISTEN_SECONDS).startswith(b"HTTP"):
        return "it speaks HTTP, as the dashboard of a scheduler does: write the scheduler's own port, 8786 by default"
    return "it does not speak Dask's protocol: write the address of a Dask scheduler"


def _answer(where: tuple[str, int], question: bytes, seconds: float) -> bytes:
    """Return how a server answers `question`, or begins where that is empty; nothing if it says nothing in time."""
    try:
        with socket.create_connection(where, timeout=seconds) as connection:
            connection.sendall(question)
            return connection.recv(16)
    except OSError:
        return b""


def _speaks_tls(where: tuple[str, int]) -> bool:
    """Return whether a server answers a TLS greeting; whose certificate it shows is for Dask to judge."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(where, timeout=_LISTEN_SECONDS) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except ssl.SSLError as error:
        # A server that wants a certificate of ours, or another version, has spoken TLS as well.
        return error.reason not in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST", None)
    except OSError:
        return False
