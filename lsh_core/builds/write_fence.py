"""Write fence of a build: open for the loaders of one epoch, or closed.

An index has exactly one state alias: ``airlsh-w-{build}-{epoch}`` (open) or ``airlsh-c-{build}-{epoch}`` (closed).
While the state is open, ``airlsh-l-{build}-{epoch}`` leads to the ledger.

Loaders write documents and ledger entries through these aliases only, with ``require_alias``. So a loader with a stale
epoch gets a 404 for both from the moment that the cluster state changes, however long the loader was suspended.

Each change removes the state that was read (``must_exist``) in the same call that adds the next state: a
compare-and-swap.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from elasticsearch import NotFoundError

from lsh_core.builds.aliases import change_aliases
from lsh_core.builds.names import closed_alias, ledger_alias, write_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import LoadError

_STATE = re.compile(r"airlsh-(?P<kind>[wc])-(?P<build>.+)-(?P<epoch>\d+)")
_TRIES = 10


class WriteFence(NamedTuple):
    """State of a write fence: whether loaders may write, and the epoch that set it."""

    is_open: bool
    epoch: int

    def alias(self, build: str) -> str:
        """Return the alias that represents this state."""
        return (write_alias if self.is_open else closed_alias)(build, self.epoch)


def read_write_fence(cluster: Cluster, index: str, build: str) -> WriteFence:
    """Return the state of the write fence of `build`.

    Raises
    ------
    LoadError
        `index` has no fence, or several; airlsh creates exactly one.
    """
    aliases = cluster.run(lambda client: client.indices.get_alias(index=index))[index]["aliases"]
    states = [
        WriteFence(match["kind"] == "w", int(match["epoch"]))
        for match in map(_STATE.fullmatch, aliases)
        if match and match["build"] == build
    ]
    if len(states) != 1:
        raise LoadError(index, "write fence", f"the index has {len(states)} fences ({', '.join(sorted(aliases))})")
    return states[0]


def allow_writes(cluster: Cluster, index: str, build: str, epoch: int) -> None:
    """Allow writes by the loaders of `epoch` alone.

    Raises
    ------
    LoadError
        A later epoch has changed the fence before.
    UnavailableError
        A node does not know of the change in time. Loaders of earlier epochs may still write through this node.
    """
    _move(cluster, index, build, WriteFence(True, epoch))


def fence_writes(cluster: Cluster, index: str, build: str, epoch: int) -> None:
    """Refuse the writes of all loaders; raises the errors of `allow_writes`."""
    _move(cluster, index, build, WriteFence(False, epoch))


def _move(cluster: Cluster, index: str, build: str, wanted: WriteFence) -> None:
    for _ in range(_TRIES):
        found = read_write_fence(cluster, index, build)
        if found == wanted:
            return
        if found.epoch > wanted.epoch:
            reason = f"epoch {wanted.epoch} is over: epoch {found.epoch} works on this build"
            raise LoadError(index, "write fence", reason)
        try:
            change_aliases(cluster, _actions(index, build, found, wanted), known_everywhere=True)
        except NotFoundError:
            continue  # Another caller changed the state since it was read.
        return
    raise LoadError(index, "write fence", f"it changed during {_TRIES} tries")


def _actions(index: str, build: str, found: WriteFence, wanted: WriteFence) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = [
        {"remove": {"index": index, "alias": found.alias(build), "must_exist": True}},
        {"add": {"index": index, "alias": wanted.alias(build), "is_hidden": True}},
    ]
    if found.is_open:
        actions.append({"remove": {"index": LEDGER, "alias": ledger_alias(build, found.epoch), "must_exist": False}})
    if wanted.is_open:
        actions.append({"add": {"index": LEDGER, "alias": ledger_alias(build, wanted.epoch), "is_hidden": True}})
    return actions
