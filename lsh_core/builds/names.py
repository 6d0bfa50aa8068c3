"""Names of the index of a build, and of the private aliases that its loaders write through."""

from __future__ import annotations


def physical_index(name: str, build: str) -> str:
    """Return the index that holds `build` of `name`."""
    return f"airlsh-{name}-{build}"


def write_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write documents; see `lsh_core.builds.write_gate`."""
    return f"airlsh-w-{build}-{epoch}"


def closed_alias(build: str, epoch: int) -> str:
    """Return the alias that says that nobody may load; `epoch` is the last that could."""
    return f"airlsh-c-{build}-{epoch}"


def ledger_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write ledger entries."""
    return f"airlsh-l-{build}-{epoch}"


def live_write_alias(index: str) -> str:
    """Return the alias that live changes are written through into `index`, while that is live and not fenced.

    It is another one for each build: a document that was hashed for one cannot get into the next.

    ``require_alias`` does not hold for deletes: one with an external version, sent to an alias that is away,
    makes an index of that name. No index may have a capital letter in its name, so this one cannot be made.
    """
    return f"airlsh-LIVE-{index}"


def replay_alias(index: str) -> str:
    """Return the alias that the journal is replayed through into `index`, a build that is not live."""
    return f"airlsh-REPLAY-{index}"


def fence_alias(name: str, epoch: int) -> str:
    """Return the alias that says that the promotion with the lease `epoch` keeps live changes of `name` waiting."""
    return f"airlsh-FENCED-{name}-{epoch}"
