"""Failures of TLS: final where the server said so, passing else."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from elastic_transport import ConnectionError as Unreachable

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.tls import tls_error
from lsh_core.errors import CertificateError, UnsupportedServerError
from tests.fakes.certificates import Authority
from tests.fakes.http_server import HTML, Canned, canned_server

URL = "https://es:9200"


def judged(text: str, port: int = 1) -> Exception:
    return tls_error(URL, f"TLS error caused by: SSLError({text})", "127.0.0.1", port)


@pytest.mark.parametrize(
    "text",
    [
        "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1006)",
        "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac (_ssl.c:2580)",
        "[SSL] record layer failure (_ssl.c:1006)",
        "[SSL: PACKET_LENGTH_TOO_LONG] packet length too long",
    ],
)
def test_a_broken_handshake_may_pass(text: str) -> None:
    assert type(judged(text)) is Unreachable


@pytest.mark.parametrize(
    "text",
    [
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate",
        "Fingerprints did not match",
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required",
        "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version",
        "Hostname mismatch, certificate is not valid for 'es'",
    ],
)
def test_a_refused_certificate_is_final(text: str) -> None:
    error = judged(text)
    assert isinstance(error, CertificateError)
    assert error.final


@pytest.mark.parametrize("text", ["[SSL: WRONG_VERSION_NUMBER] wrong version number", "[SSL] record layer failure"])
def test_a_server_without_tls_is_named(text: str) -> None:
    with canned_server(lambda _: Canned(200, HTML, b"<html></html>")) as (url, _):
        assert isinstance(judged(text, int(url.rpartition(":")[2])), UnsupportedServerError)


def test_a_client_certificate_that_is_wanted_is_always_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    own = authority.sign("proxy")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        for _ in range(10):  # The alert and the end of the connection race each other.
            with pytest.raises(CertificateError, match="wants a client certificate"):
                Cluster(
                    Connection((f"https://127.0.0.1:{server.server_address[1]}",), ca_certs=str(authority.ca)), 0
                ).require_answer()
    finally:
        server.shutdown()
        server.server_close()
