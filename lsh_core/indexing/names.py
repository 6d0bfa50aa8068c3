"""Names of the index of a build, and of the private aliases that its loaders write through."""

from __future__ import annotations


def physical_index(name: str, build: str) -> str:
    """Return the index that holds `build` of `name`."""
    return f"airlsh-{name}-{build}"


def write_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write documents; see `lsh_core.indexing.gate`."""
    return f"airlsh-w-{build}-{epoch}"


def closed_alias(build: str, epoch: int) -> str:
    """Return the alias that says that nobody may load; `epoch` is the last that could."""
    return f"airlsh-c-{build}-{epoch}"


def ledger_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write ledger entries."""
    return f"airlsh-l-{build}-{epoch}"
