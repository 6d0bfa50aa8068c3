"""Which Elasticsearch, and how to get in: a value that can be pickled, and that never prints its secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from lsh_core.errors import SettingsError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class Connection:
    """Addresses of one cluster's nodes, and the credentials for them.

    Attributes
    ----------
    urls
        One address a node, ``http(s)://host:port``, without credentials; loads go round-robin over them.
    request_timeout_seconds
        How long one request may take before it is given up.
    """

    urls: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    verify_certs: bool = True
    request_timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.urls:
            raise SettingsError("es", "", "no address of Elasticsearch was given")
        for url in self.urls:
            if "@" in _split(url).netloc:
                raise SettingsError("es", _without_credentials(url), "credentials do not belong into an address")

    @classmethod
    def from_urls(cls, urls: str) -> Self:
        """Make a connection from comma-separated addresses; credentials come from the environment.

        ``AIRLSH_ES_API_KEY``, or ``AIRLSH_ES_USERNAME`` and ``AIRLSH_ES_PASSWORD``; ``AIRLSH_ES_CA_CERTS``
        names a PEM file. Credentials inside an address are taken out of it, so that it can be logged.
        """
        environment = os.environ
        username, password = environment.get("AIRLSH_ES_USERNAME"), environment.get("AIRLSH_ES_PASSWORD")
        bare = []
        for url in filter(None, map(str.strip, urls.split(","))):
            parts = _split(url if "://" in url else f"http://{url}")
            if parts.username:
                username, password = unquote(parts.username), unquote(parts.password or "")
            host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
            port = parts.port or (443 if parts.scheme == "https" else 9200)
            bare.append(urlunsplit((parts.scheme, f"{host}:{port}", parts.path.rstrip("/"), "", "")))
        return cls(
            urls=tuple(dict.fromkeys(bare)),
            api_key=environment.get("AIRLSH_ES_API_KEY"),
            username=username,
            password=password,
            ca_certs=environment.get("AIRLSH_ES_CA_CERTS"),
        )

    def client(self, node: int = 0) -> Elasticsearch:
        """Return the client of one node; the same object each time, safe to share between threads."""
        return _client(self, self.urls[node % len(self.urls)])


def _split(url: str) -> SplitResult:
    """Split an address; raise `SettingsError`, without any password in it, for what is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # A port that is no number, or a bracket that is not closed.
        good = False
    if not good:
        raise SettingsError("es", _without_credentials(url), "must look like http://host:9200")
    return parts


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


@lru_cache(maxsize=256)
def _client(connection: Connection, url: str) -> Elasticsearch:
    # One client a node with no retries of its own: the client's round robin starts at node 0 in every
    # thread, and its retries neither sleep nor look at single items.
    from elasticsearch import OrjsonSerializer

    from lsh_core.elastic.naming_client import naming_client

    options: dict[str, object] = {}
    if url.startswith("https"):
        options["verify_certs"] = connection.verify_certs
        if connection.ca_certs:
            options["ca_certs"] = connection.ca_certs
    if connection.api_key:
        options["api_key"] = connection.api_key
    elif connection.username is not None:
        options["basic_auth"] = (connection.username, connection.password or "")
    return naming_client()(
        [url],
        max_retries=0,
        retry_on_timeout=False,
        request_timeout=connection.request_timeout_seconds,
        connections_per_node=32,
        serializer=OrjsonSerializer(),
        **options,  # type: ignore[arg-type]
    )
