"""Parses addresses of Elasticsearch, and separates their credentials. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from elastic_transport.client_utils import parse_cloud_id

from lsh_core.errors import SettingsError

SCHEMES = ("http", "https")
FIELD_PORT = 9200
URL_PORTS = {"http": FIELD_PORT, "https": 443}
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PERCENT = "write special characters of a user or password as %40 for @, %2F for /, %3A for :, %2C for a comma"


@dataclass(frozen=True)
class Addresses:
    """Addresses without credentials, and the credentials that they contained.

    Attributes
    ----------
    urls
        ``scheme://host:port`` with an optional path; distinct, in the given order.
    username, password
        None if no address contained them.
    """

    urls: tuple[str, ...]
    username: str | None = None
    password: str | None = None


def parse_addresses(text: str, *, setting: str = "es", scheme: str | None = None, port: int | None = None) -> Addresses:
    """Parse comma-separated addresses.

    Parameters
    ----------
    setting
        Name of the setting that holds `text`, for messages.
    scheme
        Scheme of addresses without one; default ``http``. An address with another scheme is refused.
    port
        Port of addresses without one. An address with another port is refused.

    Raises
    ------
    SettingsError
        An address cannot be used, or addresses contradict each other, `scheme` or `port`. The message shows no
        credentials.
    """
    urls: dict[str, None] = {}
    found: set[tuple[str, str | None]] = set()
    for entry in filter(None, map(str.strip, text.split(","))):
        parts = _split(entry, text, setting, scheme)
        urls[_bare(parts, entry, setting, scheme, port)] = None
        if credentials := _credentials(parts, setting):
            found.add(credentials)
    if not urls:
        raise SettingsError(setting, "", "no address of Elasticsearch was given; write http(s)://host:9200")
    if len(found) > 1:
        _refuse(text, setting, "the addresses have different credentials; the nodes of one cluster take the same")
    username, password = found.pop() if found else (None, None)
    return Addresses(tuple(urls), username, password)


def cloud_address(cloud_id: str, *, setting: str = "cloud_id") -> str:
    """Return the address of Elasticsearch in a Cloud ID.

    Raises
    ------
    SettingsError
        The text is not a Cloud ID.
    """
    try:
        address = parse_cloud_id(cloud_id.strip()).es_address
    except ValueError:
        address = None
    if not address or not address[0]:
        raise SettingsError(setting, shown(cloud_id), "is not a Cloud ID; copy it whole, as name:letters and digits")
    return f"https://{address[0]}:{address[1] or 443}"


def is_loopback(url: str) -> bool:
    """Return whether an address leads to this machine."""
    return bool(_LOOPBACK.fullmatch(urlsplit(url).hostname or ""))


def shown(text: str) -> str:
    """Return an address in printable form.

    User, password, query and fragment are removed, and anything after the host that is not a port or a path.
    """
    scheme = _HAS_SCHEME.match(text)
    _, at, rest = text.rpartition("@")
    if not at:
        rest = text[scheme.end() :] if scheme else text
    rest = re.split(r"[?#\\]", rest)[0]
    host = re.match(r"\[[^\]]*\]?|[^:]*", rest)
    end = host.end() if host else 0
    if not re.fullmatch(r"(:\d*)?(/.*)?", rest[end:]):
        rest = f"{rest[:end]}:…"  # A password may stand here if its host was forgotten.
    return f"{scheme.group() if scheme else ''}{rest}"


def _split(entry: str, text: str, setting: str, scheme: str | None) -> SplitResult:
    """Split one address; refuse an invalid address."""
    written = entry if _HAS_SCHEME.match(entry) else f"{scheme or 'http'}://{entry}"
    try:
        parts = urlsplit(written)
        good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        good = good and not re.search(r"[\s\\<>\"^`{|}]", parts.hostname or " ")
    except ValueError:  # The port is not a number, or a bracket is not closed.
        good = False
    if not good:
        hint = f"; {_PERCENT}" if "@" in text or "," in text else ""
        _refuse(text if "@" in text else entry, setting, f"must look like http://host:9200 or https://host:9200{hint}")
    if "@" in parts.path + parts.query + parts.fragment:
        _refuse(text, setting, f"has an @ after its host; {_PERCENT}")
    if parts.query or parts.fragment:
        _refuse(entry, setting, "has a query or a fragment, which an address of Elasticsearch cannot have")
    return parts


def _bare(parts: SplitResult, entry: str, setting: str, scheme: str | None, port: int | None) -> str:
    own_scheme = bool(_HAS_SCHEME.match(entry))
    if own_scheme and scheme is not None and parts.scheme != scheme:
        reason = f"the address {shown(entry)} says {parts.scheme}; leave one of the two out, or make them the same"
        raise SettingsError("schema", scheme, reason)
    if parts.port is not None and port is not None and parts.port != port:
        reason = f"the address {shown(entry)} says {parts.port}; leave one of the two out, or make them the same"
        raise SettingsError("port", port, reason)
    usual = URL_PORTS[parts.scheme] if own_scheme else FIELD_PORT
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or port or usual}{parts.path.rstrip('/')}"


def _credentials(parts: SplitResult, setting: str) -> tuple[str, str | None] | None:
    """Return user and password of an address.

    None as password means that another setting supplies it.
    """
    if "@" not in parts.netloc:
        return None
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    if not user and not password:
        return None
    if not user:
        reason = "has a password without a user; an API key goes into AIRLSH_ES_API_KEY or the field API key"
        _refuse(parts.geturl(), setting, reason)
    return unquote(user), unquote(password) if colon and password else None


def _refuse(text: str, setting: str, reason: str) -> NoReturn:
    raise SettingsError(setting, shown(text), reason)
