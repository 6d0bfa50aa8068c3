"""Checks that a cluster has room for another index.

The limits are its number of shards and the watermarks of its disks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import CapacityError

SHARDS_REMEDY = "Delete indices that are no longer needed (`airlsh builds retire` for builds), or raise the limit."

SHARDS = "cluster.max_shards_per_node"
_DISK = "cluster.routing.allocation.disk"
_HIGH, _FLOOD = f"{_DISK}.watermark.high", f"{_DISK}.watermark.flood_stage"
_GIBIBYTE = 2**30
_UNITS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}


@dataclass(frozen=True)
class NodeDisk:
    """File system of one data node, in bytes."""

    node: str
    total: int
    available: int


def require_room(cluster: Cluster, *, shards: int, stored_bytes: int) -> None:
    """Raise `CapacityError` if the cluster has no room for an index.

    Parameters
    ----------
    shards
        Number of shard copies, primaries and replicas.
    stored_bytes
        Lower bound of the disk space of all copies.
    """
    settings = _settings(cluster)
    _require_shards(cluster, settings, shards)
    if str(settings.get(f"{_DISK}.threshold_enabled", "true")) == "true":
        require_disks(_disks(cluster), settings, stored_bytes)


def require_disks(disks: tuple[NodeDisk, ...], settings: Mapping[str, str], stored_bytes: int) -> None:
    """Raise `CapacityError` if no node accepts shards, or all nodes together lack `stored_bytes`."""
    if not disks:
        return
    remedy = "Free some disk, add a data node, or raise the watermark."
    if all(disk.available <= bytes_to_keep(_HIGH, settings, disk.total) for disk in disks):
        each = ", ".join(f"{disk.node} has {_size(disk.available)} of {_size(disk.total)} free" for disk in disks)
        raise CapacityError(
            f"{_HIGH}: {settings.get(_HIGH)}",
            f"no data node takes another shard, as its disk is full: {each}",
            remedy,
        )
    room = sum(max(0, disk.available - bytes_to_keep(_FLOOD, settings, disk.total)) for disk in disks)
    if stored_bytes > room:
        reason = f"the vectors alone take {_size(stored_bytes)}, and the data nodes have room for {_size(room)}"
        raise CapacityError(f"{_FLOOD}: {settings.get(_FLOOD)}", reason, remedy)


def bytes_to_keep(watermark: str, settings: Mapping[str, str], total: int) -> int:
    """Return the number of bytes that must stay free below `watermark`.

    `total` is the size of the disk. The result is 0 if it cannot be computed.
    """
    value = str(settings.get(watermark, "")).strip().lower()
    if (size := _bytes(value)) is not None:
        return size
    share = re.fullmatch(r"([\d.]+)(%?)", value)
    if share is None:
        return 0
    used = float(share[1]) / 100 if share[2] else float(share[1])
    keep = round(total * (1 - used))
    headroom = _bytes(str(settings.get(f"{watermark}.max_headroom", "-1")).strip().lower())
    return keep if headroom is None else min(keep, headroom)


def _require_shards(cluster: Cluster, settings: Mapping[str, str], shards: int) -> None:
    if SHARDS not in settings:
        return
    health = cluster.run(lambda client: client.cluster.health())
    limit = int(settings[SHARDS]) * int(health["number_of_data_nodes"])
    is_open = sum(int(health[f"{state}_shards"]) for state in ("active", "initializing", "unassigned"))
    if is_open + shards > limit:
        raise CapacityError(
            f"{SHARDS}: {settings[SHARDS]}",
            f"the cluster may have {limit:,} shards open and has {is_open:,}; the build takes {shards:,}",
            SHARDS_REMEDY,
        )


def _settings(cluster: Cluster) -> dict[str, str]:
    """Return the cluster's settings about room, flat.

    Transient settings win over persistent settings, and these over defaults.
    """
    found = cluster.run(
        lambda client: client.cluster.get_settings(
            include_defaults=True, filter_path=f"*.{SHARDS}*,*.{_DISK}.*", flat_settings=False
        )
    )
    flat: dict[str, str] = {}
    for level in ("defaults", "persistent", "transient"):
        flat |= _flat(found.get(level, {}))
    return flat


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _disks(cluster: Cluster) -> tuple[NodeDisk, ...]:
    nodes = cluster.run(
        lambda client: client.nodes.stats(metric="fs", filter_path="nodes.*.name,nodes.*.roles,nodes.*.fs.total")
    )["nodes"]
    return tuple(
        NodeDisk(node["name"], node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"])
        for node in nodes.values()
        if any(role.startswith("data") for role in node["roles"]) and "total" in node.get("fs", {})
    )


def _bytes(value: str) -> int | None:
    """Parse a size such as ``20gb`` into bytes; None for -1 and for other text."""
    size = re.fullmatch(r"([\d.]+)\s*(b|kb|mb|gb|tb|pb)", value)
    return round(float(size[1]) * _UNITS[size[2]]) if size else None


def _size(count: int) -> str:
    return f"{count / _GIBIBYTE:,.1f} GiB"
