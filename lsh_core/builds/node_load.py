"""Load statistics of one node in the report of a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsh_core.json_form import JsonForm


@dataclass(frozen=True, kw_only=True)
class NodeLoad(JsonForm):
    """Load statistics of one node over a whole build.

    Attributes
    ----------
    node
        URL of the node.
    chunks
        Chunks whose home is the node.
    requests, rows
        Requests that the node answered, and rows that were accepted through it.
    retried
        Rows that had to be sent again.
    unreachable, too_busy, blocked
        Requests without an answer, with a row that the node rejected for lack of room, and with a write block.
    waited_for_primary
        Rows whose primary shard was missing at the time of the request.
    away_seconds
        Total duration of all outages; overlapping outages count once.
    """

    node: str
    chunks: int
    requests: int = 0
    rows: int = 0
    retried: int = 0
    unreachable: int = 0
    too_busy: int = 0
    waited_for_primary: int = 0
    blocked: int = 0
    away_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; troubles only where they are not zero."""
        document = super().to_json()
        return {key: value for key, value in document.items() if value or key in _ALWAYS}


_ALWAYS = {"node", "chunks", "requests", "rows", "retried"}
