"""Fast path for requests to Elasticsearch that may be repeated.

`exchange` sends a request once. It returns an answer of status 200, raises after a time-out, and returns None for all
else: then the caller repeats the request by the official client, which names the failure.

The request is one write to a pooled socket. urllib3 opens the sockets, with all options of TLS, and pools them;
httptools (llhttp) parses answers. An exchange takes a tenth of the CPU of a request by urllib3, which writes header and
body apart, and parses headers like those of e-mail.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from elastic_transport import ConnectionTimeout
from httptools import HttpParserError, HttpResponseParser
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import parse_url

_READ_BYTES = 2**18
_PORTS = {"http": 80, "https": 443}


class Answer:
    """Answer of a server, in the callbacks of its parser.

    Attributes
    ----------
    headers
        Values by lower-case names.
    is_whole
        True when the last byte has arrived.
    body
        Whole body, without compression.
    """

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.is_whole = False
        self.body = b""
        self._parts: list[bytes] = []

    def on_message_begin(self) -> None:
        """Refuse bytes behind the answer."""
        if self.is_whole:
            raise ValueError("bytes follow an answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.lower()] = value

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Join the body; a body that cannot be decompressed is an error of the parser."""
        joined = b"".join(self._parts)
        self.body = gzip.decompress(joined) if self.headers.get(b"content-encoding") == b"gzip" else joined
        self.is_whole = True

    @property
    def ends_connection(self) -> bool:
        """True if the server closes the connection."""
        return b"close" in self.headers.get(b"connection", b"").lower()


def request_head(method: str, base_url: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request but for the length of its body.

    Parameters
    ----------
    base_url
        Address of the server, with the path that `target` is relative to.
    """
    url = parse_url(base_url + target)
    port = "" if url.port in (None, _PORTS.get(str(url.scheme))) else f":{url.port}"
    lines = [f"{method} {url.request_uri} HTTP/1.1", f"host: {url.host}{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "content-length: "]).encode("latin-1")


def exchange(pool: HTTPConnectionPool, head: bytes, body: bytes, seconds: float | None) -> Answer | None:
    """Return the answer to a request if its status is 200; None for any other outcome.

    The caller repeats the request by another client, which names the failure. So the request must be idempotent.

    Parameters
    ----------
    head
        Head of the request as `request_head` returns it.
    seconds
        Time-out of the connection, and of each wait for the server.

    Raises
    ------
    ConnectionTimeout
        The server did not answer in time.
    """
    try:
        return _exchange(pool, b"%b%d\r\n\r\n%b" % (head, len(body), body), seconds)
    except NewConnectionError:
        return None
    except (TimeoutError, ConnectTimeoutError) as error:
        raise ConnectionTimeout("Connection timed out during request", errors=(error,)) from error
    except (OSError, HTTPError, HttpParserError):  # An `SSLError` is an `OSError`.
        return None


def _exchange(pool: HTTPConnectionPool, request: bytes, seconds: float | None) -> Answer | None:
    answer = Answer()
    parser = HttpResponseParser(answer)
    reusable = False
    connection: Any = pool._get_conn()
    try:
        if connection.sock is None:
            connection.timeout = seconds
            connection.connect()
            pool._validate_conn(connection)  # Compares fingerprints of certificates.
        connection.sock.settimeout(seconds)
        connection.sock.sendall(request)
        while not answer.is_whole:
            received = connection.sock.recv(_READ_BYTES)
            if not received:
                return None
            parser.feed_data(received)
        status = parser.get_status_code()
        # Another answer follows an interim one (1xx).
        reusable = status >= 200 and parser.get_http_version() == "1.1" and not answer.ends_connection
    finally:
        if not reusable:
            connection.close()
        pool._put_conn(connection)
    return answer if status == 200 else None
