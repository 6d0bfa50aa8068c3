"""Fetches files from public web servers, never from private networks.

A worker sits behind the firewall, beside the metadata service of the cloud, where an attacker would like to be. So
names are resolved here, and every address of a name must be public. The connection is made to the first of these
addresses that answers, not to the name, which may resolve to another address a moment later. Redirects are checked
alike.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from http.client import HTTPException
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from lsh_core.errors import SourceError, SourceMissingError, SourceUnavailableError

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 60.0
MAX_REDIRECTS = 5
_BLOCK_BYTES = 2**16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_WITH_IPV4_LAST = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64 (RFC 6052), and the compatible addresses of RFC 4291."""
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: NAT64 within one network; only that network knows the position of the IPv4 address."""

Resolve = Callable[[str, int], list[str]]


def resolve_public(host: str, port: int) -> list[str]:
    """Return the addresses of `host` in the order of attempts.

    Raises
    ------
    SourceError
        An address is not public, or `host` is not a valid name.
    SourceUnavailableError
        The name cannot be resolved now.
    """
    try:
        found = dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        raise SourceUnavailableError(host, f"has no address: {error}") from error
    except UnicodeError as error:
        raise SourceError(host, f"is no name of a server: {error}") from error
    for address in found:
        if not is_public(address):
            raise SourceError(host, f"has the address {address}, which is not a public one")
    return list(found)


def is_public(address: str) -> bool:
    """Return whether an address is public: not private, loopback or link-local.

    An IPv6 address that embeds an IPv4 address is judged by the latter.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return True
    if parsed.is_site_local or parsed in _LOCAL_NAT64:
        return False
    inner = parsed.ipv4_mapped or parsed.sixtofour
    if any(parsed in network for network in _WITH_IPV4_LAST):
        inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return inner is None or is_public(str(inner))


def under_roots(url: str, roots: Sequence[str]) -> bool:
    """Return whether `url` lies under one of `roots`, such as ``https://host/folder/``.

    The root ``https://`` allows any host.

    Raises
    ------
    SourceError
        A root or `url` is not a URL.
    """
    parts = _split(url)
    path = unquote(unquote(parts.path)).replace("\\", "/")
    if parts.username is not None or not parts.hostname or ".." in path.split("/"):
        return False
    for root in map(_split, roots):
        if root.scheme != parts.scheme:
            continue
        if not root.netloc or (
            root.netloc.lower() == parts.netloc.lower()
            and (root.path.rstrip("/") == parts.path or parts.path.startswith(root.path.rstrip("/") + "/"))
        ):
            return True
    return False


def fetch(url: str, roots: Sequence[str], max_bytes: int, *, resolve: Resolve = resolve_public) -> bytes:
    """Return the content of `url`. Proxies of the environment are not used.

    Parameters
    ----------
    roots
        Allowed prefixes of the URL and of redirects.
    max_bytes
        Limit of the answer; a longer one is refused as soon as it exceeds the limit.

    Raises
    ------
    SourceMissingError
        The server has no such file.
    SourceError
        `url` is not a URL, not allowed, or too large.
    SourceUnavailableError
        The server did not answer in time, or is too busy.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    for _ in range(MAX_REDIRECTS + 1):
        if not under_roots(url, roots):
            raise SourceError(url, "is outside the allowed places")
        status, location, data = _get(url, max_bytes, deadline, resolve)
        if status == 200:
            return data
        if status not in _REDIRECTS or location is None:
            kind = SourceUnavailableError if status in _TRANSIENT_STATUSES else SourceMissingError
            raise kind(url, f"the server answered with status {status}")
        try:
            url = urljoin(url, location)
        except ValueError as error:
            raise SourceError(url, f"leads to {location}, which is no URL: {error}") from error
    raise SourceError(url, f"is behind more than {MAX_REDIRECTS} redirects")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # urllib checks the port on first access.
    except ValueError as error:
        raise SourceError(url, f"is no URL: {error}") from error
    return parts


def _get(url: str, max_bytes: int, deadline: float, resolve: Resolve) -> tuple[int, str | None, bytes]:
    parts = _split(url)
    secure = parts.scheme == "https"
    host = str(parts.hostname)
    port = parts.port or (443 if secure else 80)
    target = parts.path or "/"
    target += f"?{parts.query}" if parts.query else ""
    headers = {"Host": parts.netloc, "User-Agent": "airlsh"}
    addresses = resolve(host, port)
    late = SourceUnavailableError(url, f"did not end within {TOTAL_SECONDS:.0f} s")
    try:
        with _connected(addresses, port, host if secure else None, deadline) as connection:
            connection.request("GET", target, headers=headers, preload_content=False)
            data = bytearray()
            with closing(connection.getresponse()) as answer:
                for block in answer.stream(_BLOCK_BYTES, decode_content=True) if answer.status == 200 else ():
                    data += block
                    if len(data) > max_bytes:
                        raise SourceError(url, f"has more than {max_bytes:,} bytes, which is the most that is read")
            # The answer was cut off, which looks like the end of an answer without a length.
            if time.monotonic() >= deadline:
                raise late
            return answer.status, answer.headers.get("Location"), bytes(data)
    except (OSError, HTTPError, HTTPException) as error:
        if time.monotonic() >= deadline:
            raise late from error
        raise SourceUnavailableError(url, f"cannot be fetched: {error}") from error
    except ValueError as error:  # A header or a name with characters that cannot be sent.
        raise SourceError(url, f"cannot be asked for: {error}") from error


@contextmanager
def _connected(
    addresses: Sequence[str], port: int, secure_name: str | None, deadline: float
) -> Iterator[HTTPConnection]:
    """Connect to the first of `addresses` that accepts, and close the connection at the deadline.

    The time-out of a socket restarts with every byte, so a slow server could occupy a thread for days: in the TLS
    handshake, in its headers, or between two parts of its answer.
    """
    address, plain = _opened(addresses, port, deadline)
    with plain, closing(plain.dup()) as same:
        cut = threading.Timer(max(deadline - time.monotonic(), 0), _shut, [same])
        cut.daemon = True
        cut.start()
        try:
            with closing(HTTPConnection(address, port, timeout=CONNECT_SECONDS)) as connection:
                connection.sock = _tls().wrap_socket(plain, server_hostname=secure_name) if secure_name else plain
                yield connection
        finally:
            cut.cancel()


def _opened(addresses: Sequence[str], port: int, deadline: float) -> tuple[str, socket.socket]:
    *others, last = addresses
    for address in others:
        with suppress(OSError):  # For example an IPv6 address on a machine without IPv6.
            return address, socket.create_connection((address, port), timeout=_seconds_to_connect(deadline))
    return last, socket.create_connection((last, port), timeout=_seconds_to_connect(deadline))


def _seconds_to_connect(deadline: float) -> float:
    return min(CONNECT_SECONDS, max(deadline - time.monotonic(), 0.001))


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # It is closed already.
        connection.shutdown(socket.SHUT_RDWR)
