"""Names of a build's index and of its private aliases."""

from __future__ import annotations


def physical_index(name: str, build: str) -> str:
    """Return the index of `build` of `name`."""
    return f"airlsh-{name}-{build}"


def write_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write documents; see `lsh_core.builds.write_fence`."""
    return f"airlsh-w-{build}-{epoch}"


def closed_alias(build: str, epoch: int) -> str:
    """Return the alias that marks a build as closed to loaders.

    `epoch` is the last epoch that could write.
    """
    return f"airlsh-c-{build}-{epoch}"


def ledger_alias(build: str, epoch: int) -> str:
    """Return the alias through which loaders of `epoch` write ledger entries."""
    return f"airlsh-l-{build}-{epoch}"


def live_write_alias(index: str) -> str:
    """Return the alias through which live changes are written into `index`.

    The alias exists while `index` is live and not fenced. Each build has its own alias, so a document that was hashed
    for one build cannot get into the next.

    ``require_alias`` has no effect on deletes: a delete with an external version, sent to a missing alias, creates an
    index of that name. The alias therefore has capital letters, which index names must not have, so the creation fails.
    """
    return f"airlsh-LIVE-{index}"


def replay_alias(index: str) -> str:
    """Return the alias through which the journal is replayed into `index`.

    `index` belongs to a build that is not live.
    """
    return f"airlsh-REPLAY-{index}"


def fence_alias(name: str, epoch: int) -> str:
    """Return the alias that marks live changes of `name` as fenced.

    The promotion with the lease `epoch` holds the changes back.
    """
    return f"airlsh-FENCED-{name}-{epoch}"
