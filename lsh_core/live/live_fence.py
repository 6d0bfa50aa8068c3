"""Fence for live changes: an alias on the live build that a promotion replaces.

`live_write_alias` is the only alias through which live changes enter a live build. A promotion fences it: one step
turns it into ``airlsh-FENCED-{name}-{epoch}``. Then the promotion replays the changes written until then into the new
build, and moves the fence in the step that moves the index name.

Each step removes the state that was read (``must_exist``). So a promotion whose fence was removed meanwhile is refused:
changes may have gone into the old build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from elasticsearch import NotFoundError

from lsh_core.builds.aliases import change_aliases, live_index
from lsh_core.builds.names import fence_alias, live_write_alias
from lsh_core.elastic.cluster import Cluster


@dataclass(frozen=True)
class LiveFence:
    """State of the fence on one index: open, or fenced by the lease `epoch`."""

    index: str
    epoch: int | None

    def alias(self, name: str) -> str:
        """Return the alias that represents this state."""
        return live_write_alias(self.index) if self.epoch is None else fence_alias(name, self.epoch)


def read_live_fence(cluster: Cluster, name: str, index: str) -> LiveFence | None:
    """Return the state of the fence on `index`; None if the index was never live."""
    aliases = cluster.run(lambda client: client.indices.get_alias(index=index))[index]["aliases"]
    if live_write_alias(index) in aliases:
        return LiveFence(index, None)
    fence = re.compile(re.escape(fence_alias(name, 0)).removesuffix("0") + r"(\d+)")
    epochs = [int(match[1]) for match in map(fence.fullmatch, aliases) if match]
    return LiveFence(index, max(epochs)) if epochs else None


def fence_live(cluster: Cluster, name: str, index: str, epoch: int) -> bool:
    """Fence `index` against live changes; return whether it is fenced now.

    The result is False if the state changed since it was read, if `index` has no state alias, or if a later epoch holds
    the fence. A live index has a state alias (`repair_live`), so another promotion was faster.

    Raises
    ------
    UnavailableError
        The fence is set, but a node does not know of it yet and may let changes through.
    """
    state = read_live_fence(cluster, name, index)
    if state is None or (state.epoch or 0) > epoch:
        return False
    return _swap_state(cluster, name, state, LiveFence(index, epoch))


def unfence_live(cluster: Cluster, name: str, index: str, epoch: int) -> bool:
    """Open `index` for live changes again; return whether it is open.

    If the fence is no longer that of `epoch`, nothing is changed.
    """
    state = read_live_fence(cluster, name, index)
    return state == LiveFence(index, epoch) and _swap_state(cluster, name, state, LiveFence(index, None))


def is_fenced(cluster: Cluster, name: str) -> bool:
    """Return whether the live build is fenced, or lacks a state alias."""
    live = live_index(cluster, name)
    if live is None:
        return False
    state = read_live_fence(cluster, name, live)
    return state is None or state.epoch is not None


def repair_live(cluster: Cluster, name: str, epoch: int) -> bool:
    """Open the live build for changes after a promotion died behind its fence.

    Returns whether the build was opened. The caller must hold the lease ``alias`` with `epoch`, so fences of earlier
    epochs belong to dead promotions. A live build without a state alias, which was promoted before fences existed, gets
    one.
    """
    live = live_index(cluster, name)
    if live is None:
        return False
    state = read_live_fence(cluster, name, live)
    if state is not None and (state.epoch is None or state.epoch >= epoch):
        return False
    return _swap_state(cluster, name, state, LiveFence(live, None))


def moving_actions(name: str, old: str | None, new: str, epoch: int) -> list[dict[str, Any]]:
    """Return the alias actions that move the fence of `name` to a new build.

    They are part of the step that moves the alias of the name. `old` must be fenced by `epoch`; `new` becomes open.
    """
    actions = [_add(name, LiveFence(new, None))]
    if old is not None:
        actions.insert(0, _remove(name, LiveFence(old, epoch)))
    return actions


def _swap_state(cluster: Cluster, name: str, found: LiveFence | None, wanted: LiveFence) -> bool:
    if found == wanted:
        return True
    if found is None:
        # There is no state alias to remove. So the alias of the name is removed and added again: that fails if it has
        # moved.
        named = {"index": wanted.index, "alias": name}
        condition = [
            {"remove": {**named, "must_exist": True}},
            {"add": {**named, "is_write_index": True}},
        ]
    else:
        condition = [_remove(name, found)]
    actions = [*condition, _add(name, wanted)]
    try:
        # An alias that opens late on some node does no harm.
        change_aliases(cluster, actions, known_everywhere=wanted.epoch is not None)
    except NotFoundError:
        return False
    return True


def _add(name: str, fence: LiveFence) -> dict[str, Any]:
    return {"add": {"index": fence.index, "alias": fence.alias(name), "is_write_index": True, "is_hidden": True}}


def _remove(name: str, fence: LiveFence) -> dict[str, Any]:
    return {"remove": {"index": fence.index, "alias": fence.alias(name), "must_exist": True}}
