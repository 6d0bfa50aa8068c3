"""Probe for servers that speak TLS; imports no client."""

from __future__ import annotations

import socket
import ssl

_GREETING_SECONDS = 5.0
_NOT_SPOKEN = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", None)


def speaks_tls(host: str, port: int, *, seconds: float = _GREETING_SECONDS) -> bool:
    """Return whether a server answers a TLS greeting, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=seconds) as plain, context.wrap_socket(plain):
            return True
    except ssl.SSLError as error:
        # A server that wants a client certificate, or another version, speaks TLS as well.
        return error.reason not in _NOT_SPOKEN
    except OSError:
        return False
