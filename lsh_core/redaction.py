"""Redacts credentials and query strings in URLs, and escapes bytes that are not UTF-8."""

from __future__ import annotations

import re

_SCHEME = r"\b[A-Za-z][\w+.-]*://"
_END = r"(?=:?(?:\s|$))"
_WEB_QUERY = re.compile(rf"(\bhttps?://[^\s?#]*)[?#]\S*?{_END}", re.IGNORECASE)
# In the URL of a store, a question mark may be a wildcard. A query has a name and a value.
_QUERY = re.compile(rf"({_SCHEME}[^\s?]*)\?[\w.%-]+=\S*?{_END}")
_USER = re.compile(rf"({_SCHEME})[^/\s]*@")


def redact(text: str) -> str:
    """Redact the URLs in a text for logs, messages and storage.

    URLs lose user, password and query string, because query strings carry signatures and keys. Bytes that are not UTF-8
    are escaped: see `escape_non_utf8`.
    """
    for query in (_WEB_QUERY, _QUERY):
        text = query.sub(r"\1", text)
    return escape_non_utf8(_USER.sub(r"\1", text))


def quoted(value: object, longest: int = 200) -> str:
    """Return the `repr` of any value, cut after `longest` characters."""
    try:
        text = repr(value)
    except Exception:  # An integer with very many digits, or a class whose `repr` fails.
        text = f"<{type(value).__name__}>"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def escape_non_utf8(text: str) -> str:
    r"""Return `text` with bytes that are not UTF-8 escaped as ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode()
