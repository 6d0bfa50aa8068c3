"""Oldest Elasticsearch that airlsh supports. Pure: no I/O."""

from __future__ import annotations

OLDEST_SERVER = (9, 4)
OLDEST = ".".join(map(str, OLDEST_SERVER))
"""`OLDEST_SERVER` as text, for messages."""


def is_supported(version: str) -> bool:
    """Return whether a server version, such as ``9.4.1-SNAPSHOT``, is new enough."""
    numbers = version.partition("-")[0].split(".")[:2]
    return all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) >= OLDEST_SERVER
