"""Load statistics per node: requests, rows, retries, outages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lsh_core.builds.node_load import NodeLoad
from lsh_core.elastic.bulk_answers import ItemVerdict, Verdict

COUNTS = ("requests", "rows", "retried", "unreachable", "too_busy", "waited_for_primary", "blocked")
_BUSY = ("es_rejected_execution_exception", "too_many_requests")


@dataclass
class NodeStats:
    """Load statistics of one node.

    Attributes
    ----------
    requests
        Requests that the node answered.
    rows
        Rows that were accepted through the node.
    retried
        Rows that had to be sent again.
    unreachable
        Requests that the node did not answer: refused, reset or timed out.
    too_busy
        Requests with a row that the node rejected for lack of room (429).
    waited_for_primary
        Rows whose primary shard was missing at the time of the request.
    blocked
        Requests that met a write block, such as that of a full disk.
    away
        Outages as ``(from, to)`` in seconds since 1970. An outage lasts from the first failed request, or later, to the
        next answer.
    """

    requests: int = 0
    rows: int = 0
    retried: int = 0
    unreachable: int = 0
    too_busy: int = 0
    waited_for_primary: int = 0
    blocked: int = 0
    away: list[tuple[float, float]] = field(default_factory=list)

    def add(self, other: NodeStats) -> None:
        """Add the counts of `other`."""
        for count in COUNTS:
            setattr(self, count, getattr(self, count) + getattr(other, count))
        self.away = merge_spans([*self.away, *other.away])

    def sent_again(self, rows: int, why: ItemVerdict) -> None:
        """Count `rows` of one request that are sent again for the reason `why`."""
        self.retried += rows
        if why.verdict is Verdict.NO_PRIMARY:
            self.waited_for_primary += rows
        elif why.verdict is Verdict.BLOCKED:
            self.blocked += 1
        elif why.error in _BUSY:
            self.too_busy += 1

    def was_away(self, seconds: float) -> None:
        """Record an outage of the last `seconds` seconds."""
        if seconds > 0:
            now = time.time()
            self.away = merge_spans([*self.away, (round(now - seconds, 3), round(now, 3))])

    @property
    def away_seconds(self) -> float:
        """Total duration of all outages; overlapping outages count once."""
        return round(sum(end - start for start, end in self.away), 3)

    def to_document(self) -> dict[str, Any]:
        """Return the statistics for a ledger entry.

        Zeros are omitted, except for requests, rows and retried.
        """
        return {**self._counts(), "away": [list(each) for each in self.away]} if self.away else self._counts()

    def to_report(self, node: str, chunks: int) -> NodeLoad:
        """Return the statistics of `node`, the home of `chunks` chunks, for a report."""
        counts = {key: getattr(self, key) for key in COUNTS}
        return NodeLoad(node=node, chunks=chunks, **counts, away_seconds=self.away_seconds)

    def _counts(self) -> dict[str, int]:
        return {key: count for key in COUNTS if (count := getattr(self, key)) or key in COUNTS[:3]}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the stored form that `to_document` wrote."""
        away = [(start, end) for start, end in document.get("away", ())]
        return cls(**{key: document.get(key, 0) for key in COUNTS}, away=away)


def merge_spans(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Merge overlapping time spans; return them in order."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
