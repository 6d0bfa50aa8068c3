"""Files of public web servers: no server in a private network is asked, whatever its name or a redirect says.

A worker stands where an attacker would like to stand: behind the firewall, beside the metadata service of the cloud.
So a name is resolved here, every address that it has must be a public one, and the connection is made to that address
and not to the name, which could have another one a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from lsh_core.errors import SourceError, SourceMissingError, SourceUnavailableError

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 60.0
MOST_REDIRECTS = 5
_BLOCK_BYTES = 2**16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

Resolve = Callable[[str, int], list[str]]


def resolve_public(host: str, port: int) -> list[str]:
    """Return the addresses of `host`.

    Raises
    ------
    SourceError
        One of them is not public.
    SourceUnavailableError
        The name cannot be resolved now.
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise SourceUnavailableError(host, f"has no address: {error}") from error
    for address in found:
        if not is_public(address):
            raise SourceError(host, f"has the address {address}, which is not a public one")
    return sorted(found)


def is_public(address: str) -> bool:
    """Whether an address can be reached by everybody: not private, not of this machine, of no one link."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (mapped is None or is_public(str(mapped)))


def under_roots(url: str, roots: Sequence[str]) -> bool:
    """Whether `url` lies under one of `roots`, such as ``https://host/folder/``; ``https://`` alone is every host."""
    parts = urlsplit(url)
    path = unquote(unquote(parts.path)).replace("\\", "/")
    if parts.username is not None or not parts.hostname or ".." in path.split("/"):
        return False
    for root in map(urlsplit, roots):
        if root.scheme != parts.scheme:
            continue
        if not root.netloc or (
            root.netloc.lower() == parts.netloc.lower()
            and (root.path.rstrip("/") == parts.path or parts.path.startswith(root.path.rstrip("/") + "/"))
        ):
            return True
    return False


def fetch(url: str, roots: Sequence[str], most_bytes: int, *, resolve: Resolve = resolve_public) -> bytes:
    """Return what is at `url`. Proxies of the environment are not used.

    Parameters
    ----------
    roots
        Where it may lie, and where a redirect may lead.
    most_bytes
        A longer answer is refused as soon as it is seen to be one.

    Raises
    ------
    SourceMissingError
        The server has nothing to give there.
    SourceError
        It is not allowed, or too large.
    SourceUnavailableError
        The server did not answer in time, or is too busy.
    """
    deadline = time.monotonic() + TOTAL_SECONDS
    for _ in range(MOST_REDIRECTS + 1):
        if not under_roots(url, roots):
            raise SourceError(url, "is outside the allowed places")
        status, location, data = _get(url, most_bytes, deadline, resolve)
        if status == 200:
            return data
        if status not in _REDIRECTS or location is None:
            kind = SourceUnavailableError if status in _PASSING else SourceMissingError
            raise kind(url, f"the server answered with status {status}")
        url = urljoin(url, location)
    raise SourceError(url, f"is behind more than {MOST_REDIRECTS} redirects")


def _get(url: str, most_bytes: int, deadline: float, resolve: Resolve) -> tuple[int, str | None, bytes]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host = str(parts.hostname)
    port = parts.port or (443 if secure else 80)
    target = parts.path or "/"
    target += f"?{parts.query}" if parts.query else ""
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=CONNECT_SECONDS)
    headers = {"Host": parts.netloc, "User-Agent": "airlsh"}
    address = resolve(host, port)[0]
    pool = (
        urllib3.HTTPSConnectionPool(address, port, timeout=timeout, server_hostname=host, assert_hostname=host)
        if secure
        else urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    )
    try:
        with closing(pool):
            answer = pool.request("GET", target, headers=headers, redirect=False, retries=False, preload_content=False)
            with closing(answer):
                data = bytearray()
                if answer.status == 200:
                    for block in answer.stream(_BLOCK_BYTES, decode_content=True):
                        data += block
                        if len(data) > most_bytes:
                            raise SourceError(
                                url, f"has more than {most_bytes:,} bytes, which is the most that is read"
                            )
                        if time.monotonic() > deadline:
                            raise SourceUnavailableError(url, f"did not end within {TOTAL_SECONDS:.0f} s")
                return answer.status, answer.headers.get("Location"), bytes(data)
    except urllib3.exceptions.HTTPError as error:
        raise SourceUnavailableError(url, f"cannot be fetched: {error}") from error
