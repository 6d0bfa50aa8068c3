"""Address of a Dask scheduler, as users write it. Pure: no I/O."""

from __future__ import annotations

import ipaddress
import re

from lsh_core.errors import SettingsError

PROTOCOLS = ("tcp", "tls", "ws", "wss")
DEFAULT_PORT = 8786
_HIGHEST_PORT = 65535
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]@?#]+)(:(?P<port>\d{1,5}))?/?")


def scheduler_address(
    host: str,
    *,
    setting: str = "dask",
    protocol: str | None = None,
    port: int | None = None,
    require_port: bool = False,
) -> str:
    """Return ``protocol://host:port`` of a scheduler.

    Parameters
    ----------
    host
        A name or an IP address, with an optional protocol and port.
    setting
        Name of the setting that holds `host`, for messages.
    protocol, port
        Protocol and port of a host without them. A host with other values is refused.
    require_port
        Whether a host without a port is refused. Otherwise it gets the default port.

    Raises
    ------
    SettingsError
        The host cannot be an address of a scheduler, or contradicts `protocol` or `port`.
    """
    own, separator, rest = host.strip().rpartition("://")
    own = own.lower()
    if "@" in rest:
        raise SettingsError(setting, rest.rpartition("@")[2], "has credentials, which a Dask scheduler does not take")
    for name, value in (("protocol", protocol), (setting, own if separator else None)):
        if value is not None and value not in PROTOCOLS:
            raise SettingsError(
                name, value, f"is not a protocol of a Dask scheduler; use one of {', '.join(PROTOCOLS)}"
            )
    if own and protocol and own != protocol:
        raise SettingsError("protocol", protocol, f"the host says {own}; leave one of the two out")
    match = _HOST.fullmatch(f"[{rest}]" if _is_bare_ipv6(rest) else rest)
    own_port = int(match["port"]) if match and match["port"] else None
    if match is None or not _is_port(own_port or (None if require_port else port or DEFAULT_PORT)) or own_port == 0:
        raise SettingsError(setting, host, f"must look like tcp://host:{DEFAULT_PORT}")
    if own_port and port and own_port != port:
        raise SettingsError("port", port, f"the host says {own_port}; leave one of the two out")
    return f"{own or protocol or PROTOCOLS[0]}://{match['host']}:{own_port or port or DEFAULT_PORT}"


def _is_port(port: int | None) -> bool:
    return port is not None and 0 < port <= _HIGHEST_PORT


def _is_bare_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False
