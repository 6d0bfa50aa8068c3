"""Parses settings that are text: truth values, seconds and document ids. Pure: no I/O."""

from __future__ import annotations

import math

from lsh_core.errors import SettingsError
from lsh_core.redaction import escape_non_utf8

_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})


MAX_ID_BYTES = 512
"""Limit of Elasticsearch on the id of a document, in bytes."""


def is_document_id(text: str) -> bool:
    """Return whether a text can be a document id for server and client."""
    return escape_non_utf8(text) == text and 0 < len(text.encode()) <= MAX_ID_BYTES


def truth(setting: str, value: object, *, default: bool) -> bool:
    """Return a truth value that may be text, as in ``AIRFLOW_CONN_...`` URIs.

    None and empty text give `default`.

    Raises
    ------
    SettingsError
        The value is neither yes nor no.
    """
    if value is None or isinstance(value, bool):
        return default if value is None else value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if not text:
        return default
    raise SettingsError(setting, value, "must be true or false")


def seconds(setting: str, value: object, *, default: float) -> float:
    """Return a number of seconds that may be text.

    None and empty text give `default`.

    Raises
    ------
    SettingsError
        The value is not a positive, finite number.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise SettingsError(setting, value, "must be a number of seconds above 0")
    return number
