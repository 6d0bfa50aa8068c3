"""Judges the answer to a bulk request, item by item. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """Verdict on one item, or on a whole request."""

    DONE = "the index holds this row, or a later one with the same id"
    REFUSED = "the row itself is bad: a dead letter"
    RETRY = "retryable: send the row again after a pause"
    NO_PRIMARY = "its primary shard is away: wait for the index, another node cannot help"
    BLOCKED = "the index is blocked for writes, as a full disk does, or closed: wait long"
    STOP = "the run may not write here: it must end"
    SPLIT = "too large, or too much at once: send it in halves"
    BISECT = "one of its rows spoils the whole request: find that row"


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """Verdict on one item, with the server's error and reason."""

    verdict: Verdict
    error: str = ""
    reason: str = ""


_DONE = ItemVerdict(Verdict.DONE)

RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
"""Status codes of a server that is overloaded, or that is losing or finding a node."""
_NODE_STATUSES = frozenset({502, 503, 504})
_SHARDS_AWAY = frozenset(
    {
        "search_phase_execution_exception",
        "unavailable_shards_exception",
        "no_shard_available_action_exception",
        "primary_missing_action_exception",
    }
)


def is_node_fault(status: int, body: object) -> bool:
    """Return whether another node may answer better, such as after the loss of the master.

    Every node refuses a request whose shards are away, and 429 is about the request.
    """
    return status in _NODE_STATUSES and _cause(body.get("error") if isinstance(body, Mapping) else None)[0] not in (
        _SHARDS_AWAY
    )


def judge_item(item: Mapping[str, Any]) -> ItemVerdict:
    """Judge one item of a bulk answer, ``{"status": ..., "error": {...}}``.

    A 409 means that the index already holds a later version of the id: superseded, not an error. A closed index answers
    400 for each row, whatever the row contains.
    """
    status = item["status"]
    if status in (200, 201, 409):
        return _DONE
    kind, reason = _cause(item.get("error"))
    if status == 429 and kind == "cluster_block_exception":
        return ItemVerdict(Verdict.BLOCKED, kind, reason)
    if status == 503 and kind == "unavailable_shards_exception":
        return ItemVerdict(Verdict.NO_PRIMARY, kind, reason)
    if status in RETRYABLE_STATUSES:
        return ItemVerdict(Verdict.RETRY, kind, reason)
    if status == 400 and kind == "index_closed_exception":
        return ItemVerdict(Verdict.BLOCKED, kind, reason)
    if status == 400:
        return ItemVerdict(Verdict.REFUSED, kind, reason)
    return ItemVerdict(Verdict.STOP, kind or f"status {status}", reason)


def judge_request(status: int, body: object, *, rows: int, refused_before: bool) -> ItemVerdict:
    """Judge an answer other than 200: the whole request was not executed.

    Parameters
    ----------
    rows
        Number of rows of the request. A request of one row cannot be divided further.
    refused_before
        Whether the same request was already answered with 429. It may exceed the node's limit permanently.
    """
    kind, reason = _cause(body.get("error") if isinstance(body, Mapping) else None)
    if status == 413:
        verdict = Verdict.SPLIT if rows > 1 else Verdict.REFUSED
        return ItemVerdict(verdict, "request_too_large", reason or "larger than the server takes in one request")
    if status == 400:
        return ItemVerdict(Verdict.BISECT if rows > 1 else Verdict.REFUSED, kind or "bad_request", reason)
    if status == 429:
        verdict = Verdict.SPLIT if refused_before and rows > 1 else Verdict.RETRY
        return ItemVerdict(verdict, kind or "too_many_requests", reason)
    if status in RETRYABLE_STATUSES or status in (408, 500):
        return ItemVerdict(Verdict.RETRY, kind or f"status {status}", reason)
    return ItemVerdict(Verdict.STOP, kind or f"status {status}", reason)


def _cause(error: object) -> tuple[str, str]:
    """Return the type of the error and its innermost reason."""
    if not isinstance(error, Mapping):
        return "", str(error or "")
    kind, reasons = str(error.get("type", "")), [str(error.get("reason", ""))]
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        reasons.append(str(cause.get("reason", "")))
        cause = cause.get("caused_by")
    return kind, ": ".join(dict.fromkeys(filter(None, reasons)))
