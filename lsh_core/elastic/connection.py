"""Connection: addresses and credentials of Elasticsearch.

It is a value that can be pickled and never prints its secrets.
"""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from elastic_transport.client_utils import url_to_node_config
from elasticsearch import Elasticsearch, OrjsonSerializer

from lsh_core.elastic.addresses import cloud_address, is_loopback, parse_addresses
from lsh_core.elastic.argument_kinds import check_kinds
from lsh_core.elastic.text_values import seconds, truth
from lsh_core.errors import ArgumentError, SettingsError

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS = 30.0
_TLS_FIELDS = ("ca_certs", "ca_fingerprint", "client_cert", "client_key")
_SHA256_DIGITS = 64


@dataclass(frozen=True)
class Connection:
    """Addresses of the nodes of one cluster, and the credentials for them.

    Attributes
    ----------
    urls
        One address per node, ``http(s)://host:port`` with an optional path, without credentials. Loads go round robin
        over the nodes.
    api_key
        Encoded API key, in place of `username` and `password`.
    ca_certs
        PEM file of the CA for the certificates of the nodes; default: the public authorities.
    verify_certs
        Whether certificates are checked.
    request_timeout_seconds
        Time-out of one request, in seconds.
    ca_fingerprint
        SHA-256 of a certificate in the node's chain, in hexadecimal, in place of `ca_certs`.
    client_cert, client_key
        PEM files of the client certificate and its key. The first file may hold both.
    client_key_password
        Password of an encrypted `client_key`.
    http_compress
        Whether requests are compressed.

    Examples
    --------
    >>> from lsh_core import Connection
    >>> connection = Connection(("http://127.0.0.1:9200",), username="elastic", password="secret")
    >>> "secret" in repr(connection)
    False
    """

    urls: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_certs: str | None = None
    verify_certs: bool = True
    request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ca_fingerprint: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    client_key_password: str | None = field(default=None, repr=False)
    http_compress: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", tuple(filter(None, map(str.strip, _joined(self.urls).split(",")))))
        check_kinds(self)
        if not self.urls:
            raise SettingsError("es", "", "no address of Elasticsearch was given")
        found = [parse_addresses(url) for url in self.urls]
        for each in found:
            if each.username is not None:
                raise SettingsError("es", each.urls[0], "credentials do not belong into an address")
        object.__setattr__(self, "urls", tuple(dict.fromkeys(url for each in found for url in each.urls)))
        _check_credentials(self)
        _check_tls(self)

    @classmethod
    def from_urls(cls, urls: str | Iterable[str] | None = None) -> Self:
        """Make a connection from addresses; other fields come from the environment.

        `urls` is a list or a text with commas; without it, the address is that of ``AIRLSH_ES_CLOUD_ID``. Credentials
        inside an address are removed from it, so that it can be logged.

        Variables: ``AIRLSH_ES_API_KEY``, or ``AIRLSH_ES_USERNAME`` and ``AIRLSH_ES_PASSWORD``; ``AIRLSH_ES_CA_CERTS``
        (a PEM file) or ``AIRLSH_ES_CA_FINGERPRINT``; ``AIRLSH_ES_CLIENT_CERT``, ``AIRLSH_ES_CLIENT_KEY``,
        ``AIRLSH_ES_CLIENT_KEY_PASSWORD``; ``AIRLSH_ES_VERIFY_CERTS``; ``AIRLSH_ES_REQUEST_TIMEOUT_SECONDS``.

        Raises
        ------
        SettingsError
            A setting cannot be used, or settings contradict each other.
        """
        given = {
            name.removeprefix("AIRLSH_ES_").lower(): value
            for name, value in os.environ.items()
            if name.startswith("AIRLSH_ES_") and value
        }
        found = parse_addresses(_named(None if urls is None else _joined(urls), given))
        if all(url.startswith("http://") and is_loopback(url) for url in found.urls):
            given = {name: value for name, value in given.items() if name not in _TLS_FIELDS}
        username, password = found.username or given.get("username"), found.password
        if found.username and given.get("api_key"):
            raise SettingsError("AIRLSH_ES_API_KEY", "…", "the address has a user as well; set only one")
        if password is None and (not found.username or found.username == given.get("username", found.username)):
            password = given.get("password")
        return cls(
            urls=found.urls,
            api_key=given.get("api_key"),
            username=username,
            password=password,
            ca_certs=given.get("ca_certs"),
            verify_certs=truth("AIRLSH_ES_VERIFY_CERTS", given.get("verify_certs"), default=True),
            request_timeout_seconds=seconds(
                "AIRLSH_ES_REQUEST_TIMEOUT_SECONDS",
                given.get("request_timeout_seconds"),
                default=REQUEST_TIMEOUT_SECONDS,
            ),
            ca_fingerprint=given.get("ca_fingerprint"),
            client_cert=given.get("client_cert"),
            client_key=given.get("client_key"),
            client_key_password=given.get("client_key_password"),
        )

    def client(self, node: int = 0) -> Elasticsearch:
        """Return the client of one node.

        Each call returns the same object, which threads may share.
        """
        if isinstance(node, bool) or not isinstance(node, int):
            raise ArgumentError("node", node, "must be the number of a node: 0 for the first address")
        return _client(self, self.urls[node % len(self.urls)])

    def close(self) -> None:
        """Close the idle sockets of the clients of this process.

        The next `client` opens new sockets. Requests under way finish. An equal connection shares the clients.
        """
        with _LOCK:
            clients = [_CLIENTS.pop((self, url), None) for url in self.urls]
        for client in filter(None, clients):
            client.close()


def _joined(urls: object) -> str:
    """Return addresses, a text or a list of texts, as one text.

    Errors show no address of a wrong type.
    """
    if isinstance(urls, str):
        return urls
    reason = "must be addresses: a text such as http://127.0.0.1:9200, or a list of such texts"
    if not isinstance(urls, Iterable) or isinstance(urls, bytes | bytearray | Mapping):
        raise ArgumentError("es", _shown(urls), reason)
    addresses: list[object] = list(urls) if getattr(urls, "ndim", 1) == 1 else [urls]
    for url in addresses:
        if not isinstance(url, str):
            raise ArgumentError("es", _shown(url), reason)
    return ",".join(map(str, addresses))


def _shown(given: object) -> object:
    """Return the printable form of a value that is not an address.

    It may contain a password.
    """
    return given if given is None or isinstance(given, int | float) else type(given).__name__


def _named(urls: str | None, given: Mapping[str, str]) -> str:
    """Return `urls`, or the address of the Cloud ID in the environment."""
    if urls is None and "cloud_id" in given:
        return cloud_address(given["cloud_id"], setting="AIRLSH_ES_CLOUD_ID")
    return urls or ""


def _check_credentials(connection: Connection) -> None:
    if connection.api_key and not (connection.api_key.isascii() and connection.api_key.isprintable()):
        reason = "must be one line of printable ASCII: the `encoded` value that Elasticsearch returns for a new key"
        raise SettingsError("api_key", "…", reason)
    if connection.api_key and connection.username:
        raise SettingsError("api_key", "…", f"the user {connection.username!r} is set as well; set only one")
    if connection.password and not connection.username:
        raise SettingsError("password", "…", "there is no user for it; give the user as well")
    if connection.username and not connection.password:
        hint = "an API key goes into AIRLSH_ES_API_KEY, or the field API key of the Airflow connection"
        raise SettingsError("username", connection.username, f"has no password; give AIRLSH_ES_PASSWORD; {hint}")


def _check_tls(connection: Connection) -> None:
    schemes = {url.partition("://")[0] for url in connection.urls}
    if len(schemes) > 1:
        raise SettingsError("es", ",".join(connection.urls), "some nodes are http, some https; give one scheme for all")
    for name in _TLS_FIELDS:
        if "http" in schemes and getattr(connection, name):
            reason = f"is for https, and the address is {connection.urls[0]}; write https://, or leave {name} out"
            raise SettingsError(name, getattr(connection, name), reason)
    if connection.ca_certs and connection.ca_fingerprint:
        raise SettingsError("ca_fingerprint", connection.ca_fingerprint, "ca_certs is given as well; give one of them")
    if connection.client_key and not connection.client_cert:
        raise SettingsError("client_key", connection.client_key, "there is no client_cert for it; give that as well")
    digits = (connection.ca_fingerprint or "0" * _SHA256_DIGITS).replace(":", "")
    if len(digits) != _SHA256_DIGITS or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        reason = "must be a SHA-256: 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints them"
        raise SettingsError("ca_fingerprint", connection.ca_fingerprint, reason)


_MAX_CLIENTS = 256
_CLIENTS: dict[tuple[Connection, str], Elasticsearch] = {}
_LOCK = threading.Lock()


def _leave_clients_to_parent() -> None:
    """Forget the clients of the parent process after a fork: its sockets must not be shared."""
    global _LOCK
    _LOCK = threading.Lock()
    _CLIENTS.clear()


os.register_at_fork(after_in_child=_leave_clients_to_parent)


def _client(connection: Connection, url: str) -> Elasticsearch:
    client = _CLIENTS.get((connection, url))
    if client is None:
        made = _make_client(connection, url)
        with _LOCK:
            client = _CLIENTS.setdefault((connection, url), made)
            while len(_CLIENTS) > _MAX_CLIENTS:
                del _CLIENTS[next(iter(_CLIENTS))]
    return client


def _make_client(connection: Connection, url: str) -> Elasticsearch:
    # One client per node, without retries. The client's own round robin starts at node 0 in every thread, and its
    # retries neither sleep nor judge single items.
    from lsh_core.elastic.checked_node import CheckedNode
    from lsh_core.elastic.naming_client import naming_client

    credentials: dict[str, Any] = {}
    if connection.api_key:
        credentials["api_key"] = connection.api_key
    elif connection.username is not None:
        # Encoded here, because the client accepts only ASCII.
        pair = f"{connection.username}:{connection.password or ''}".encode()
        credentials["basic_auth"] = base64.b64encode(pair).decode()
    node = url_to_node_config(parse_addresses(url).urls[0]).replace(
        connections_per_node=32,
        request_timeout=connection.request_timeout_seconds,
        http_compress=connection.http_compress,
        **(_tls(connection) if url.startswith("https") else {}),
    )
    client = naming_client()(
        [node],
        node_class=CheckedNode,
        max_retries=0,
        retry_on_timeout=False,
        serializer=OrjsonSerializer(),
        **credentials,
    )
    if url.startswith("https") and connection.client_cert:
        _show_certificate(client, connection)
    return client


def _tls(connection: Connection) -> dict[str, Any]:
    """Return the TLS options of https nodes, as the client names them."""
    if connection.ca_certs:
        _check_ca(connection.ca_certs)
    if not connection.verify_certs and not connection.ca_fingerprint:
        logger.warning("certificates of %s are not checked (verify_certs is off)", ", ".join(connection.urls))
    return {
        "verify_certs": connection.verify_certs,
        "ca_certs": connection.ca_certs if connection.verify_certs else None,
        "ssl_assert_fingerprint": connection.ca_fingerprint,
        "ssl_show_warn": False,
    }


def _check_ca(path: str) -> None:
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # An `SSLError` is an `OSError`.
        raise SettingsError("ca_certs", path, _unreadable(error, "certificates")) from error


def _show_certificate(client: Elasticsearch, connection: Connection) -> None:
    """Load the client certificate into the TLS context.

    The client can do so only without a password and without a fingerprint.
    """
    password = connection.client_key_password or ""
    for node in client.transport.node_pool.all():
        try:
            # With a password function, OpenSSL never prompts at the terminal.
            node.pool.conn_kw["ssl_context"].load_cert_chain(  # type: ignore[attr-defined]
                connection.client_cert, connection.client_key, password=lambda: password
            )
        except (OSError, ValueError) as error:
            key = "; is AIRLSH_ES_CLIENT_KEY_PASSWORD, or the field client_key_password, right?" if password else ""
            reason = f"{_unreadable(error, 'certificate and key')}{key}"
            raise SettingsError("client_cert", connection.client_cert, reason) from error


def _unreadable(error: Exception, what: str) -> str:
    import ssl

    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return f"cannot be read on this machine: {error.strerror or error}"
    return f"does not hold {what} in PEM format ({getattr(error, 'reason', None) or error})"
