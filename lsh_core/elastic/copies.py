"""Copies of shards: how many are missing, and how many nodes can hold one."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch

from lsh_core.elastic.cluster import Cluster

_HEALTH_SECONDS = 10.0


def copies_missing(cluster: Cluster, indices: Collection[str], *, seconds: float) -> int:
    """Wait up to `seconds` for every copy of `indices`; return the number of missing copies.

    It uses short requests, because the node that serves one may go away during a long one.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = max(1, math.ceil(min(_HEALTH_SECONDS, deadline - time.monotonic())))
        health = cluster.run(partial(green_health, index=list(indices), seconds=left))
        missing = int(health["unassigned_shards"] + health["initializing_shards"])
        if not missing or time.monotonic() >= deadline:
            return missing


def green_health(client: Elasticsearch, *, index: str | list[str], seconds: int) -> Mapping[str, Any]:
    """Return the health of `index` once it is green, or after `seconds`."""
    health = client.options(ignore_status=408).cluster.health(
        index=index, wait_for_status="green", timeout=f"{seconds}s"
    )
    return dict(health)


def data_nodes(cluster: Cluster) -> int:
    """Return the number of nodes that can hold shards."""
    health = cluster.run(lambda client: client.cluster.health(filter_path="number_of_data_nodes"))
    return int(health["number_of_data_nodes"])
