"""Finds the shards of an index without a copy, and their last known nodes."""

from __future__ import annotations

from dataclasses import dataclass

from elasticsearch import ApiError

from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import AirlshError


@dataclass(frozen=True)
class MissingShard:
    """Shard without a primary.

    Attributes
    ----------
    reason
        Cause and time of the loss, and the id of the last node, as far as the cluster knows: ``NODE_LEFT at
        2026-01-31T00:00:00.000Z, node_left [x1Yz]``. Empty if unknown.
    """

    index: str
    number: int
    shards: int
    reason: str = ""

    def __str__(self) -> str:
        return f"shard {self.number} of {self.shards} (from 0)" + (f": {self.reason}" if self.reason else "")


def missing_shards(cluster: Cluster, index: str) -> tuple[MissingShard, ...]:
    """Return the shards of `index`, a name or an alias, without an active primary."""
    health = cluster.run(lambda client: client.cluster.health(index=index, level="shards", timeout="5s"))
    return tuple(
        MissingShard(name, int(number), len(found["shards"]), _reason(cluster, name, int(number)))
        for name, found in health.get("indices", {}).items()
        for number, shard in sorted(found["shards"].items(), key=lambda each: int(each[0]))
        if not shard["primary_active"]
    )


def _reason(cluster: Cluster, index: str, shard: int) -> str:
    """Return why the primary of a shard is not assigned; "" if unknown."""
    try:
        answer = cluster.run(lambda client: client.cluster.allocation_explain(index=index, shard=shard, primary=True))
    except (AirlshError, ApiError):  # Assigned meanwhile, or the user lacks the privilege.
        return ""
    found = answer.get("unassigned_info", {})
    why = f"{found['reason']} at {found['at']}" if "reason" in found and "at" in found else ""
    return ", ".join(filter(None, (why, found.get("details", "").partition("\n")[0][:200])))
