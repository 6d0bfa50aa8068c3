"""Classifies TLS failures as final or retryable.

A failure is retryable if it passes when a node or its proxy is back.
"""

from __future__ import annotations

import re
import socket
import ssl

from elastic_transport import ConnectionError as Unreachable

from lsh_core.elastic.tls_probe import speaks_tls
from lsh_core.errors import CertificateError, UnsupportedServerError

_ANSWER_SECONDS = 5.0
_ALERT_SECONDS = 1.0
_REMEDIES = (
    (r"Fingerprints did not match", "its certificate has another fingerprint", "Give that of its CA or certificate."),
    (r"certificate has expired|not yet valid", "its certificate has expired, or is not yet valid", "Renew it."),
    (r"Hostname mismatch|IP address mismatch|doesn't match", "its certificate is for another host name",
     "Use an address that the certificate names, or give its fingerprint (AIRLSH_ES_CA_FINGERPRINT)."),
    (r"CERTIFICATE_VERIFY_FAILED", "its certificate is signed by an authority that is not trusted here",
     "Give the PEM file of its CA (AIRLSH_ES_CA_CERTS, or the field CA certificates)."),
    (r"ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)|certificate required",
     "it wants a client certificate", "Give AIRLSH_ES_CLIENT_CERT and AIRLSH_ES_CLIENT_KEY, or the fields."),
    (r"ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+)",
     "it does not take the client certificate", "Give one that its CA has signed (AIRLSH_ES_CLIENT_CERT)."),
    (r"ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL", "it speaks another version of TLS",
     "Allow TLS 1.2 or 1.3 on the server."),
)  # fmt: skip
_PLAIN = re.compile(r"WRONG_VERSION_NUMBER|HTTP_REQUEST", re.IGNORECASE)
_RECORD = re.compile(r"RECORD_LAYER_FAILURE|record layer failure", re.IGNORECASE)


def tls_error(url: str, text: str, host: str, port: int, context: ssl.SSLContext | None = None) -> Exception:
    """Return a final error for a TLS failure, or `Unreachable` for a retryable one.

    A node that is killed, or a proxy without a backend, ends a handshake early or breaks a record. With `context`, the
    server is contacted again after an early end: its complaint about the client certificate often gets lost behind a
    request.
    """
    broken_off = "EOF occurred in violation of protocol" in text
    for said in (text, _alert(context, host, port) if broken_off and context else ""):
        for pattern, what, remedy in _REMEDIES:
            if re.search(pattern, said):
                return CertificateError(url, what, remedy)
    # Newer OpenSSL reports a plain answer and a truncated record in the same way.
    if _PLAIN.search(text) or (_RECORD.search(text) and _answers_in_plain_text(host, port)):
        found = f"a server that does not speak TLS at {url}"
        return UnsupportedServerError(found, "check host and port; only where no TLS is meant, write http://")
    if broken_off:
        return Unreachable(
            f"{url}: it broke the TLS handshake off, as a node does that ends, and as a server does that wants a "
            "client certificate (AIRLSH_ES_CLIENT_CERT and AIRLSH_ES_CLIENT_KEY, or the fields)"
        )
    return Unreachable(f"{url}: TLS failed ({text[:200]}); where it stays so, check its certificate and the CA file")


def _alert(context: ssl.SSLContext, host: str, port: int) -> str:
    """Return the error during a handshake or right after it; "" without an error.

    No request is sent.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=_ALERT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secret,
        ):
            secret.recv(1)
    except OSError as error:
        return str(error)
    return ""


def _answers_in_plain_text(host: str, port: int) -> bool:
    if speaks_tls(host, port):
        return False
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_SECONDS) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return plain.recv(16).startswith(b"HTTP")
    except OSError:
        return False
