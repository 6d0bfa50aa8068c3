"""Finds red indices, with the reason and a command to delete each.

A red index has a primary shard that no node holds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from elasticsearch import ApiError

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import MAPPINGS, RUNS
from lsh_core.errors import AirlshError

logger = logging.getLogger(__name__)

_MAX_REASON = 300
_SECONDS = 5.0
_OWN = "airlsh"


@dataclass(frozen=True)
class RedIndex:
    """Red index: it cannot be read completely or written to.

    All other indices can.

    Attributes
    ----------
    command
        Command that deletes the index with all its remaining documents.
    """

    index: str
    reason: str
    command: str

    def __str__(self) -> str:
        return f"index {self.index} is red: {self.reason}"


def red_indices(cluster: Cluster, url: str) -> tuple[RedIndex, ...]:
    """Return the red indices of a cluster at once, without waiting.

    Parameters
    ----------
    url
        Address of the cluster, for the commands.
    """
    health = cluster.run(
        lambda client: client.cluster.health(
            level="shards", filter_path="indices.*.status,indices.*.shards.*.primary_active"
        )
    )
    red = {name: facts for name, facts in health.get("indices", {}).items() if facts["status"] == "red"}
    return tuple(
        RedIndex(name, _reason(cluster, name, facts.get("shards", {})), _command(cluster, name, url))
        for name, facts in sorted(red.items())
    )


def red_indices_if_told(cluster: Cluster) -> tuple[RedIndex, ...]:
    """Return the red indices of a cluster; empty without a prompt answer.

    The caller uses them for warnings only.
    """
    try:
        return red_indices(replace(cluster, wait_seconds=0, request_seconds=_SECONDS), cluster.urls[0])
    except (AirlshError, ApiError) as error:
        logger.info("red indices were not checked: %s", error)
        return ()


def missing_state(red: Collection[str]) -> list[str]:
    """Return the `red` indices without which airlsh cannot work."""
    return [name for name in red if name in MAPPINGS]


def unassignable(health: dict[str, Any]) -> Collection[str] | None:
    """Return the red indices that the cluster has stopped trying to allocate.

    None means that the cluster is still trying.

    Parameters
    ----------
    health
        Answer with ``level=indices``. Before the cluster has read its stored state, it is red and names no index.
    """
    red = [name for name, facts in health.get("indices", {}).items() if facts["status"] == "red"]
    if health["status"] == "red" and not red:
        return None
    moving = health["initializing_shards"] + health["number_of_in_flight_fetch"]
    return None if red and moving else red


def _reason(cluster: Cluster, index: str, shards: dict[str, Any]) -> str:
    missing = next((int(number) for number, shard in shards.items() if not shard["primary_active"]), 0)
    try:
        found = cluster.run(lambda client: client.cluster.allocation_explain(index=index, shard=missing, primary=True))
    except (AirlshError, ApiError):  # Assigned meanwhile, or the user lacks the privilege.
        return f"shard {missing} has no primary"
    deciders = (
        decider["explanation"]
        for node in found.get("node_allocation_decisions", ())
        for decider in node.get("deciders", ())
        if decider.get("decision") == "NO"
    )
    said = next(deciders, None) or found.get("allocate_explanation") or "the cluster does not say why"
    return f"no node takes shard {missing}: {said}"[:_MAX_REASON]


def _command(cluster: Cluster, index: str, url: str) -> str:
    """Return the command that deletes an index.

    For a recorded build that is not live, it is a command of airlsh.
    """
    try:
        mapping = cluster.run(lambda client: client.indices.get_mapping(index=index))[index]["mappings"]
        own = mapping.get("_meta", {}).get(_OWN, {})
        recorded = bool(own) and bool(cluster.run(lambda client: client.exists(index=RUNS, id=own["build"])))
        if recorded and not cluster.run(lambda client: client.indices.exists_alias(name=own["name"], index=index)):
            return f"airlsh builds abandon {own['name']} --build {own['build']} --es {url}"
    except (AirlshError, ApiError):  # Deleted meanwhile, or the records are red as well.
        pass
    return f"curl -X DELETE {url}/{index}"
