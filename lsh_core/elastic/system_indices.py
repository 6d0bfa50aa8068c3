"""System indices: store the state of airlsh, and are created on first use."""

from __future__ import annotations

from typing import Any

from elasticsearch import NotFoundError

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.index_creation import create_index

MODELS = "airlsh-models"
LEDGER = "airlsh-ledger"
LEASES = "airlsh-leases"
RUNS = "airlsh-runs"
CHANGES = "airlsh-changes"
PARTITIONS = "airlsh-partitions"
DEAD_LETTERS = "airlsh-dead-letters"
QUERIES = "airlsh-recall-queries"

_PRIORITY = 1000
"""Recovery priority: after the death of a node, copies of system indices are rebuilt before those of builds. No run can
continue without them.
"""

_KEYWORD = {"type": "keyword", "ignore_above": 4096}
_TEXT_KEPT = {"type": "keyword", "index": False, "doc_values": False}
_DATE = {"type": "date"}
_LONG = {"type": "long"}
_BYTES = {"type": "binary"}
_OPAQUE = {"type": "object", "enabled": False}

MAPPINGS: dict[str, dict[str, Any]] = {
    MODELS: {
        "model_id": _KEYWORD,
        "name": _KEYWORD,
        "fingerprint": _KEYWORD,
        "model": _KEYWORD,
        "format": _LONG,
        "created_at": _DATE,
        "header": _OPAQUE,
        "array": _KEYWORD,
        "part": _LONG,
        "sha256": _KEYWORD,
        "data": _BYTES,
    },
    LEDGER: {
        "build": _KEYWORD,
        "index_uuid": _KEYWORD,
        "chunk": _LONG,
        "source": _KEYWORD,
        "start": _LONG,
        "stop": _LONG,
        "first_row_number": _LONG,
        "node": _KEYWORD,
        "rows_read": _LONG,
        "valid": _LONG,
        "dead_lettered": _LONG,
        "rows_beyond_norm": _LONG,
        "row_mask": _BYTES,
        "id_hashes": _BYTES,
        "samples": _OPAQUE,
        "nodes": _OPAQUE,
        "seconds": _OPAQUE,
        "queries": _KEYWORD,
        "near_rows": _BYTES,
        "corrected": _BYTES,
        "finished_at": _DATE,
    },
    QUERIES: {
        "build": _KEYWORD,
        "fingerprint": _KEYWORD,
        "parts": _LONG,
        "sha256": _KEYWORD,
        "data": _BYTES,
        "drawn_at": _DATE,
    },
    LEASES: {
        "name": _KEYWORD,
        "scope": _KEYWORD,
        "identity": _KEYWORD,
        "holder": _TEXT_KEPT,
        "build": _KEYWORD,
        "epoch": _LONG,
        "acquired_at": _DATE,
        "heartbeat_at": _DATE,
        "ttl_seconds": {"type": "float"},
        "released": {"type": "boolean"},
    },
    RUNS: {
        "format": _LONG,
        "name": _KEYWORD,
        "build": _KEYWORD,
        "index": _KEYWORD,
        "state": _KEYWORD,
        "model_id": _KEYWORD,
        "started_at": _DATE,
        "finished_at": _DATE,
        "promoted_at": _DATE,
        "demoted_at": _DATE,
        "updated_at": _DATE,
        "expected_live": _KEYWORD,
        "move": _OPAQUE,
        "watermark": _OPAQUE,
        "source_version": _KEYWORD,
        "replayed_to": _LONG,
        "planned_at": _LONG,
        "settings": _OPAQUE,
        "plan": _OPAQUE,
        "stages": _OPAQUE,
        "recall_curve": _OPAQUE,
        "evaluation": _OPAQUE,
        "report": _OPAQUE,
        "error": _TEXT_KEPT,
    },
    CHANGES: {
        "name": _KEYWORD,
        "id": _KEYWORD,
        "kind": _KEYWORD,
        "row": _BYTES,
        "partition": _KEYWORD,
        "position": _LONG,
        "at": _DATE,
    },
    PARTITIONS: {
        "name": _KEYWORD,
        "partition": _KEYWORD,
        "fingerprint": _KEYWORD,
        "generation": _LONG,
        "begin": _LONG,
        "done": {"type": "boolean"},
        "rows": _LONG,
        "updated_at": _DATE,
    },
    DEAD_LETTERS: {
        "build": _KEYWORD,
        "source": _KEYWORD,
        "chunk": _LONG,
        "row_group": _LONG,
        "row": _LONG,
        "row_number": _LONG,
        "id": _KEYWORD,
        "error": _KEYWORD,
        "reason": _TEXT_KEPT,
        "row_data": _BYTES,
        "expires_at": _DATE,
        "replayed_at": _DATE,
    },
}


def system_body(index: str) -> dict[str, Any]:
    """Return the body that creates the system index `index`."""
    return {
        "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "priority": _PRIORITY},
        "mappings": {"dynamic": "strict", "properties": MAPPINGS[index]},
    }


def ensure_system_index(cluster: Cluster, index: str) -> None:
    """Create the system index `index` if it is missing; concurrent calls are harmless.

    An index of an earlier version gets its missing fields.
    """
    try:
        mapping = cluster.run(lambda client: client.indices.get_mapping(index=index))[index]["mappings"]
    except NotFoundError:
        create_index(cluster, index, system_body(index))
        return
    found = mapping.get("properties", {})
    missing = {field: mapping for field, mapping in MAPPINGS[index].items() if field not in found}
    if missing:
        cluster.run(lambda client: client.indices.put_mapping(index=index, properties=missing))
