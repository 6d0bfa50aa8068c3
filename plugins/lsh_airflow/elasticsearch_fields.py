"""Fields of an Airflow connection to Elasticsearch.

Every field is either used, or refused with its name.

Two types are read: ``airlsh_elasticsearch``, and ``elasticsearch`` of Airflow's own provider, whose extras are the
options of the Python client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from lsh_core.errors import SettingsError

if TYPE_CHECKING:
    from lsh_core.elastic.connection import Connection

TYPES = ("airlsh_elasticsearch", "elasticsearch")
_OTHER_NAMES = {
    "timeout": "request_timeout_seconds",
    "request_timeout": "request_timeout_seconds",
    "ssl_assert_fingerprint": "ca_fingerprint",
    "scheme": "schema",
}
_TEXTS = ("api_key", "cloud_id", "ca_certs", "ca_fingerprint", "client_cert", "client_key", "client_key_password")
_HONOURED = frozenset(
    (*_TEXTS, "schema", "use_ssl", "verify_certs", "http_compress", "request_timeout_seconds", "ssl_show_warn")
)
_OWN_RETRIES = "airlsh tries again by itself; remove it"
_OF_SQL = "belongs to SQL cursors; remove it, or make a connection of its own for airlsh"
_REFUSED = {
    "basic_auth": "put user and password into the fields login and password",
    "http_auth": "put user and password into the fields login and password",
    "bearer_auth": "airlsh takes a user with a password, or an API key",
    "max_retries": _OWN_RETRIES,
    "retry_on_timeout": _OWN_RETRIES,
    "retry_on_status": _OWN_RETRIES,
    "fetch_size": _OF_SQL,
    "field_multi_value_leniency": _OF_SQL,
    "hosts": "put the addresses into the field host, separated by commas",
    "ssl_assert_hostname": "use an address that the certificate of the node names, or ca_fingerprint",
}


def connection_from_fields(
    conn_type: str,
    *,
    host: str | None,
    schema: str | None = None,
    port: int | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any],
) -> Connection:
    """Return the connection that the fields describe.

    An address in `host` may have a scheme and a port; `schema` and `port` are for those that have none. Without any
    port, ``https://host`` means 443, as in every URL, and a bare host 9200.

    Raises
    ------
    SettingsError
        A field is not supported, or fields contradict each other.
    """
    from lsh_core.elastic.connection import REQUEST_TIMEOUT_SECONDS, Connection
    from lsh_core.elastic.text_values import seconds, truth

    if conn_type not in TYPES:
        raise SettingsError("conn_type", conn_type, f"must be {' or '.join(TYPES)}")
    options = _options(extra)
    truth("ssl_show_warn", options.get("ssl_show_warn"), default=True)  # Logged once.
    texts = {name: _text(name, options.get(name)) for name in _TEXTS}
    cloud_id = texts.pop("cloud_id")
    return Connection(
        urls=_urls(host, cloud_id, _scheme(schema, options), port),
        username=login or None,
        password=password or None,
        verify_certs=truth("verify_certs", options.get("verify_certs"), default=True),
        http_compress=truth("http_compress", options.get("http_compress"), default=False),
        request_timeout_seconds=seconds(
            "request_timeout_seconds", options.get("request_timeout_seconds"), default=REQUEST_TIMEOUT_SECONDS
        ),
        **texts,
    )


def _options(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extras under one name each, without empty ones."""
    options: dict[str, Any] = {}
    for given, value in extra.items():
        if value is None or value == "":
            continue
        name = _OTHER_NAMES.get(given, given)
        if name not in _HONOURED:
            _refuse(given, _REFUSED.get(given, f"is not known to airlsh; known are {', '.join(sorted(_HONOURED))}"))
        if name in options and options[name] != value:
            _refuse(given, f"is given twice, as {given} and as {name}, with two values")
        options[name] = value
    return options


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        # The client also accepts a pair as API key; encoded, the key is one text everywhere.
        _refuse(name, "must be text" + (": the encoded API key" if name == "api_key" else ""))
    return value or None


def _scheme(schema: str | None, options: Mapping[str, Any]) -> str | None:
    """Return the scheme that the fields schema and use_ssl, or the extra scheme, ask for."""
    from lsh_core.elastic.addresses import SCHEMES
    from lsh_core.elastic.text_values import truth

    asked = {each.strip().lower().removesuffix("://") for each in (schema, options.get("schema")) if each}
    for each in asked - set(SCHEMES):
        reason = "must be http or https; a path belongs into the host, as https://host/path"
        raise SettingsError("schema", each, reason)
    if options.get("use_ssl") is not None:
        asked.add("https" if truth("use_ssl", options["use_ssl"], default=False) else "http")
    if len(asked) > 1:
        _refuse("schema", "the connection asks for http and for https; leave one of schema, scheme and use_ssl out")
    return asked.pop() if asked else None


def _urls(host: str | None, cloud_id: str | None, scheme: str | None, port: int | None) -> tuple[str, ...]:
    from lsh_core.elastic.addresses import cloud_address, parse_addresses

    if cloud_id:
        for name, value in (("host", host), ("port", port), ("schema", None if scheme == "https" else scheme)):
            if value:
                _refuse(name, "cloud_id is given as well, and holds the address; leave one of the two out")
        return (cloud_address(cloud_id),)
    found = parse_addresses(host or "", setting="host", scheme=scheme, port=port)
    if found.username is not None:
        raise SettingsError("host", found.urls[0], "put user and password into their own fields, login and password")
    return found.urls


def _refuse(name: str, reason: str) -> NoReturn:
    """Refuse a field without its value, which may be secret."""
    raise SettingsError(name, "…", reason)
