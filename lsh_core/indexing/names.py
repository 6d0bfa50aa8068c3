"""Names of the index and the private alias of a build."""

from __future__ import annotations


def physical_index(name: str, build: str) -> str:
    """Return the index that holds `build` of `name`."""
    return f"airlsh-{name}-{build}"


def write_alias(build: str) -> str:
    """Return the private alias that loaders write through.

    Taking it away is the fence: with ``require_alias`` a late writer gets a 404 and no index is made.
    """
    return f"airlsh-w-{build}"
