"""Checks the types of the fields of a connection. Pure: no I/O."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.redaction import escape_non_utf8

if TYPE_CHECKING:
    from lsh_core.elastic.connection import Connection

_YEAR_SECONDS = 365 * 86_400
_SECRETS = frozenset({"api_key", "password", "client_key_password"})
_PATHS = frozenset({"ca_certs", "client_cert", "client_key"})
_TEXTS = (*sorted(_SECRETS), *sorted(_PATHS), "username", "ca_fingerprint")


def check_kinds(connection: Connection) -> None:
    """Raise `ArgumentError` for a field of the wrong type.

    Path objects become texts, and an empty path becomes None. Errors show no secret.
    """
    for name in _TEXTS:
        given: object = getattr(connection, name)
        if name in _PATHS and (isinstance(given, os.PathLike) or given == ""):
            given = os.fspath(given) or None
            object.__setattr__(connection, name, given)
        shown = "…" if name in _SECRETS else given
        if given is not None and not isinstance(given, str):
            raise ArgumentError(name, shown, f"must be a text, not {type(given).__name__}")
        if isinstance(given, str) and escape_non_utf8(given) != given and name not in _PATHS:
            raise SettingsError(name, shown, "is not Unicode text, as it holds half of a surrogate pair")
        if isinstance(given, str) and "\0" in given:
            raise SettingsError(name, shown, "has a character of code 0, which it cannot have")
    for name in ("verify_certs", "http_compress"):
        truth: object = getattr(connection, name)
        if not isinstance(truth, bool):
            raise ArgumentError(name, truth, "must be True or False")
    seconds: object = connection.request_timeout_seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ArgumentError("request_timeout_seconds", seconds, "must be a number of seconds")
    if not 0 < seconds < _YEAR_SECONDS:
        raise SettingsError("request_timeout_seconds", seconds, "must be more than 0 seconds, and less than a year")
