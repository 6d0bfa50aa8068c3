"""The write gate of a build: open for the loaders of one epoch, or closed for all.

An index has exactly one state alias, ``airlsh-w-{build}-{epoch}`` (open) or ``airlsh-c-{build}-{epoch}``
(closed). While it is open, ``airlsh-l-{build}-{epoch}`` leads to the ledger. Loaders write documents and ledger
entries through these aliases only, with ``require_alias``; so whoever has a stale epoch gets a 404 for both,
from the moment that the cluster state changes, however long it was asleep. Each change removes the state that
was read (``must_exist``) in the same call that adds the next: a compare-and-swap.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lsh_core.builds.aliases import change_aliases
from lsh_core.builds.names import closed_alias, ledger_alias, write_alias
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import LoadError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_STATE = re.compile(r"airlsh-(?P<kind>[wc])-(?P<build>.+)-(?P<epoch>\d+)")
_TRIES = 10


class WriteFence(NamedTuple):
    """Whether loaders may write to a build, and the epoch that said so last."""

    is_open: bool
    epoch: int

    def alias(self, build: str) -> str:
        """Return the alias that says so."""
        return (write_alias if self.is_open else closed_alias)(build, self.epoch)


def read_write_fence(client: Elasticsearch, index: str, build: str) -> WriteFence:
    """Return the state of the gate of `build`.

    Raises
    ------
    LoadError
        `index` has no gate, or more than one: airlsh did not make it so.
    """
    aliases = client.indices.get_alias(index=index)[index]["aliases"]
    states = [
        WriteFence(match["kind"] == "w", int(match["epoch"]))
        for match in map(_STATE.fullmatch, aliases)
        if match and match["build"] == build
    ]
    if len(states) != 1:
        raise LoadError(index, "write gate", f"the index has {len(states)} gates ({', '.join(sorted(aliases))})")
    return states[0]


def allow_writes(client: Elasticsearch, index: str, build: str, epoch: int) -> None:
    """Let the loaders of `epoch` write, and nobody else.

    Raises
    ------
    LoadError
        A later epoch was here before.
    UnavailableError
        Not every node knows of it in time: earlier loaders may still write through that one.
    """
    _move(client, index, build, WriteFence(True, epoch))


def fence_writes(client: Elasticsearch, index: str, build: str, epoch: int) -> None:
    """Let nobody write; raises what `allow_writes` does."""
    _move(client, index, build, WriteFence(False, epoch))


def _move(client: Elasticsearch, index: str, build: str, wanted: WriteFence) -> None:
    from elasticsearch import NotFoundError

    for _ in range(_TRIES):
        found = read_write_fence(client, index, build)
        if found == wanted:
            return
        if found.epoch > wanted.epoch:
            reason = f"epoch {wanted.epoch} is over: epoch {found.epoch} works on this build"
            raise LoadError(index, "write gate", reason)
        try:
            change_aliases(client, _actions(index, build, found, wanted), known_everywhere=True)
        except NotFoundError:
            continue  # Somebody moved it since it was read.
        return
    raise LoadError(index, "write gate", f"it kept moving, {_TRIES} times")


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
