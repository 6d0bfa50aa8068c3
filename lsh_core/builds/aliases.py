"""Reads and moves the alias of an index name, by compare-and-swap."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from elasticsearch import NotFoundError

from lsh_core.builds.names import physical_index
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.copies import green_health
from lsh_core.errors import PromotionConflictError, RequestRefusedError, UnavailableError
from lsh_core.signals import raise_if_signalled

_HEALTH_SECONDS = 10
_ANSWER_SECONDS = 20
"""Shorter than the request time-out, so that the server's answer names what it waited for."""
_PAUSE_SECONDS = 0.1
_KNOWN_SECONDS = 90.0
"""Longer than the cluster needs to drop a node that hangs: 33 s were measured, 66 s if the node is the master."""


def live_index(cluster: Cluster, alias: str) -> str | None:
    """Return the index behind `alias`, or None.

    Raises
    ------
    PromotionConflictError
        `alias` is itself an index, or stands for several.
    """
    try:
        found = list(cluster.run(lambda client: client.indices.get_alias(name=alias)))
    except NotFoundError:
        if cluster.run(lambda client: client.indices.exists(index=alias)):
            reason = "is the name of an index, not of an alias; airlsh leaves it alone"
            raise PromotionConflictError(alias, reason) from None
        return None
    if len(found) != 1:
        raise PromotionConflictError(alias, f"stands for {len(found)} indices ({', '.join(sorted(found))}), not one")
    return str(found[0])


def swap(
    cluster: Cluster,
    alias: str,
    *,
    expected: str | None,
    new: str,
    along: Sequence[Mapping[str, Any]] = (),
) -> bool:
    """Move `alias` from `expected` to `new` in one step, or not at all; return whether it moved.

    The step uses ``must_exist``. Without it, a swap from an index that is no longer live answers 200 and leaves two
    indices behind the alias.

    Parameters
    ----------
    along
        Alias actions of the same step. If an action removes something that is gone, nothing is moved and False is
        returned.

    Raises
    ------
    PromotionConflictError
        `expected` is not what is live, or `new` is red or has a shard that does not answer.
    """
    require_healthy(cluster, alias, new)
    require_live(cluster, alias, expected)
    if expected == new:
        return False
    # An alias has at most one write index. The server enforces this: of two concurrent first promotions one is refused.
    actions: list[Mapping[str, Any]] = [{"add": {"index": new, "alias": alias, "is_write_index": True}}, *along]
    if expected is not None:
        actions.insert(0, {"remove": {"index": expected, "alias": alias, "must_exist": True}})
    try:
        answer = cluster.run(
            lambda client: client.indices.update_aliases(actions=actions, timeout=f"{_ANSWER_SECONDS}s")
        )
    except NotFoundError as error:
        # If the swap was done but its answer got lost, the repetition is refused although the alias has moved.
        if (found := live_index(cluster, alias)) == new:
            return True
        if along and found == expected:
            return False
        raise moved_away(alias, expected, found) from error
    except RequestRefusedError as error:
        raise PromotionConflictError(alias, f"was not moved: {error}") from error
    if answer.get("errors"):
        raise PromotionConflictError(alias, f"was not moved cleanly: {answer}")
    if (found := live_index(cluster, alias)) != new:
        raise PromotionConflictError(alias, f"stands for {found} after the move to {new}")
    return True


def change_aliases(cluster: Cluster, actions: Sequence[Mapping[str, Any]], *, known_everywhere: bool) -> None:
    """Carry out alias actions in one step.

    Parameters
    ----------
    known_everywhere
        Whether every node must know of the change when this function returns. A node that does not know still accepts
        requests through a removed alias.

    Raises
    ------
    UnavailableError
        A node does not know of the change in time. The change was made nevertheless.
    NotFoundError
        An alias to remove is missing, and the change was not made.
    """
    try:
        known = bool(
            cluster.run(
                lambda client: client.indices.update_aliases(actions=list(actions), timeout=f"{_ANSWER_SECONDS}s")
            )["acknowledged"]
        )
    except NotFoundError:
        if not _are_made(cluster, actions):
            raise
        known = False  # An earlier try made them, and its answer was lost.
    changed = [what for action in actions for what in action.values()]
    if known_everywhere and not known and not _all_nodes_follow(cluster, str(changed[0]["index"])):
        aliases = ", ".join(str(what["alias"]) for what in changed)
        raise UnavailableError("a node of the cluster", _KNOWN_SECONDS, f"it does not know how {aliases} changed")


def _are_made(cluster: Cluster, actions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether all aliases are as `actions` leave them."""
    wanted = {
        (str(what["index"]), str(what["alias"])): verb == "add" for action in actions for verb, what in action.items()
    }
    found = {index: _aliases_of(cluster, index) for index, _ in wanted}
    return all((alias in found[index]) == is_there for (index, alias), is_there in wanted.items())


def _aliases_of(cluster: Cluster, index: str) -> Collection[str]:
    aliases: Collection[str] = cluster.run(lambda client: client.indices.get_alias(index=index))[index]["aliases"]
    return aliases


def _all_nodes_follow(cluster: Cluster, index: str) -> bool:
    """Wait until every node knows of all alias changes so far; return whether that came in time.

    Nodes apply changes in order. So the function adds and removes an alias of its own: a node that acknowledges this
    change knows of the earlier ones. The master drops a node that hangs, and then does not count it.
    """
    deadline = time.monotonic() + _KNOWN_SECONDS
    sign = {"index": index, "alias": f"airlsh-known-{uuid.uuid4().hex}"}

    def known(verb: str, **options: bool) -> bool:
        answer = cluster.run(
            lambda client: client.indices.update_aliases(
                actions=[{verb: {**sign, **options}}], timeout=f"{_ANSWER_SECONDS}s"
            )
        )
        return bool(answer["acknowledged"])

    while True:
        added, removed = known("add", is_hidden=True), known("remove", must_exist=False)
        if added or removed:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_SECONDS)  # The server does most of the waiting.


def require_live(cluster: Cluster, alias: str, expected: str | None) -> None:
    """Raise `PromotionConflictError` unless `alias` leads to `expected` (None: the alias must not exist)."""
    if (found := live_index(cluster, alias)) != expected:
        raise moved_away(alias, expected, found)


def moved_away(alias: str, expected: str | None, found: str | None) -> PromotionConflictError:
    """Return the error for an alias that moved from `expected` to `found` during a run."""
    build = (found or "").removeprefix(physical_index(alias, ""))
    now = f"{build}, which was promoted after this run was planned" if build else "nothing: it was deleted meanwhile"
    before = (expected or "").removeprefix(physical_index(alias, "")) or "nothing"
    return PromotionConflictError(alias, f"leads to {now}; this run was planned when it led to {before}")


def wait_green(cluster: Cluster, alias: str, index: str, seconds: float) -> None:
    """Wait until every replica of `index` is assigned.

    Raises
    ------
    PromotionConflictError
        Some replica is not assigned after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        raise_if_signalled()
        # In short requests: a proxy, or the node that serves the request, may go away during a long one.
        left = min(_HEALTH_SECONDS, max(1, math.ceil(deadline - time.monotonic())))
        health = cluster.run(partial(green_health, index=index, seconds=left))
        if health["status"] == "green" and not health["timed_out"]:
            return
        if time.monotonic() >= deadline:
            waiting = health["unassigned_shards"] + health["initializing_shards"]
            raise PromotionConflictError(
                alias,
                f"{index} is {health['status']} after {seconds:.0f} s, {waiting} copies of shards are not there yet; "
                "wait longer (--wait-green-seconds), add nodes, or promote without --wait-green",
            )


def require_healthy(cluster: Cluster, alias: str, index: str) -> None:
    """Raise `PromotionConflictError` if `index` is red or a shard does not answer.

    Replicas may still be building.
    """
    status = cluster.run(lambda client: client.cluster.health(index=index, filter_path="status"))["status"]
    if status == "red":
        raise PromotionConflictError(alias, f"{index} is red: a primary shard is missing")
    answer = cluster.run(
        lambda client: client.search(index=index, size=0, track_total_hits=False, allow_partial_search_results=False)
    )
    shards = answer["_shards"]
    if shards["successful"] != shards["total"]:
        raise PromotionConflictError(
            alias, f"only {shards['successful']} of {shards['total']} shards of {index} answer"
        )
