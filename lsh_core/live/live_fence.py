"""The gate for live changes: one alias on the live build, which is turned into a fence while the tail is replayed.

`live_write_alias` is the only way for live changes into a live build. A promotion fences it (one step turns it into
``airlsh-FENCED-{name}-{epoch}``), replays what was written until then into the new build, and then moves
everything in the step that moves the name. Each step removes the state that was read (``must_exist``), so a
promoter whose fence was taken away meanwhile is refused: changes may have gone into the old build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsh_core.builds.aliases import change_aliases, live_index
from lsh_core.builds.names import fence_alias, live_write_alias

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class LiveFence:
    """The gate on one index: open, or fenced by the promotion with the lease `epoch`."""

    index: str
    epoch: int | None

    def alias(self, name: str) -> str:
        """Return the alias that says so."""
        return live_write_alias(self.index) if self.epoch is None else fence_alias(name, self.epoch)


def read_live_fence(client: Elasticsearch, name: str, index: str) -> LiveFence | None:
    """Return the gate on `index`, or None if it has none: it was never live."""
    aliases = client.indices.get_alias(index=index)[index]["aliases"]
    if live_write_alias(index) in aliases:
        return LiveFence(index, None)
    fence = re.compile(re.escape(fence_alias(name, 0)).removesuffix("0") + r"(\d+)")
    epochs = [int(match[1]) for match in map(fence.fullmatch, aliases) if match]
    return LiveFence(index, max(epochs)) if epochs else None


def fence_live(client: Elasticsearch, name: str, index: str, epoch: int) -> bool:
    """Keep live changes out of `index`; return whether that is so now.

    False: the gate moved since it was read, or it is not there, or has the fence of a later epoch. An index that is
    live has a gate (`repair_live`), so another promotion was faster.

    Raises
    ------
    UnavailableError
        The fence is there, but not every node knows of it yet: changes may get past it.
    """
    gate = read_live_fence(client, name, index)
    if gate is None or (gate.epoch or 0) > epoch:
        return False
    return _swap_state(client, name, gate, LiveFence(index, epoch))


def unfence_live(client: Elasticsearch, name: str, index: str, epoch: int) -> bool:
    """Let live changes into `index` again, if the fence there is still that of `epoch`; return whether it was."""
    gate = read_live_fence(client, name, index)
    return gate == LiveFence(index, epoch) and _swap_state(client, name, gate, LiveFence(index, None))


def is_fenced(client: Elasticsearch, name: str) -> bool:
    """Return whether the live build has a fence, or no gate at all."""
    live = live_index(client, name)
    if live is None:
        return False
    gate = read_live_fence(client, name, live)
    return gate is None or gate.epoch is not None


def repair_live(client: Elasticsearch, name: str, epoch: int) -> bool:
    """Open the gate of the live build if a promotion died behind its fence; return whether there was such a fence.

    To be called by whoever holds the lease ``alias`` with `epoch`: fences of earlier epochs are nobody's any more.
    A live build that has no gate, because it was promoted before there were any, gets one.
    """
    live = live_index(client, name)
    if live is None:
        return False
    gate = read_live_fence(client, name, live)
    if gate is not None and (gate.epoch is None or gate.epoch >= epoch):
        return False
    return _swap_state(client, name, gate, LiveFence(live, None))


def moving_actions(name: str, old: str | None, new: str, epoch: int) -> list[dict[str, Any]]:
    """Return what the swap of `name` does to the gate: from the fence of `epoch` on `old` to open on `new`."""
    actions = [_add(name, LiveFence(new, None))]
    if old is not None:
        actions.insert(0, _remove(name, LiveFence(old, epoch)))
    return actions


def _swap_state(client: Elasticsearch, name: str, found: LiveFence | None, wanted: LiveFence) -> bool:
    from elasticsearch import NotFoundError

    if found == wanted:
        return True
    if found is None:
        # Nothing of a gate to remove; so the name is taken away and put back, for that fails if it has left meanwhile.
        named = {"index": wanted.index, "alias": name}
        condition = [
            {"remove": {**named, "must_exist": True}},
            {"add": {**named, "is_write_index": True}},
        ]
    else:
        condition = [_remove(name, found)]
    actions = [*condition, _add(name, wanted)]
    try:
        # A way that opens late for some node harms nobody.
        change_aliases(client, actions, known_everywhere=wanted.epoch is not None)
    except NotFoundError:
        return False
    return True


def _add(name: str, gate: LiveFence) -> dict[str, Any]:
    return {"add": {"index": gate.index, "alias": gate.alias(name), "is_write_index": True, "is_hidden": True}}


def _remove(name: str, gate: LiveFence) -> dict[str, Any]:
    return {"remove": {"index": gate.index, "alias": gate.alias(name), "must_exist": True}}
