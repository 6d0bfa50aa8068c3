"""Stores the dead letters of index runs in Elasticsearch, and reads them back.

The first dead letters of each chunk are kept, up to a bound, so that a wholly invalid source does not fill the cluster;
the ledger has the total number. Each dead letter is kept for some days. A replayed dead letter stays until then, so
that the replay can be repeated, but no longer counts.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from lsh_core.elastic.bulk_answers import Verdict, judge_item
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.liveness import MAX_SECONDS
from lsh_core.elastic.paging import pages
from lsh_core.elastic.sorted_hits import sorted_hits
from lsh_core.elastic.system_indices import DEAD_LETTERS
from lsh_core.errors import LoadError, UnavailableError
from lsh_core.sources.dead_letter import DeadLetter

_PAGE = 1000
_TRIES = 8
_MAX_ROW_BYTES = 64 * 2**10
_MIN_KEPT, _MAX_KEPT = 20, 100_000
_ROW_DATA = "row_data"


def dead_letters_kept(chunks: int) -> int:
    """Return the maximum number of dead letters kept per chunk.

    The bound is about 100,000 per build, and at least some per chunk.
    """
    return max(_MIN_KEPT, _MAX_KEPT // max(1, chunks))


def expiry(days: int) -> str:
    """Return the expiry time of a dead letter that is written now."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


def to_document(dead_letter: DeadLetter) -> dict[str, Any]:
    """Return the stored form of a dead letter.

    Long texts are cut, and a row that is too large is omitted.
    """
    document = {**dead_letter.shortened().to_json(), "replayed_at": dead_letter.replayed_at}
    if dead_letter.row_bytes is not None and len(dead_letter.row_bytes) <= _MAX_ROW_BYTES:
        document[_ROW_DATA] = base64.b64encode(dead_letter.row_bytes).decode("ascii")
    return document


def from_document(document: Mapping[str, Any]) -> DeadLetter:
    """Return the dead letter that `to_document` stored."""
    known = dict(document)
    data = known.pop(_ROW_DATA, None)
    return DeadLetter(**known, row_bytes=base64.b64decode(data) if data is not None else None)


def write_dead_letters(cluster: Cluster, dead_letters: Sequence[DeadLetter], *, first: int = 0) -> None:
    """Store `dead_letters`, through node `first` if it answers; repeating the call changes nothing."""
    for page in pages(dead_letters, _PAGE):
        operations: list[dict[str, Any]] = []
        for dead_letter in page:
            operations += [{"index": {"_id": dead_letter.key}}, to_document(dead_letter)]
        _write_all(cluster, operations, first)


def _write_all(cluster: Cluster, operations: list[dict[str, Any]], first: int) -> None:
    """Repeat the bulk request until every item is accepted; the writes are idempotent."""
    for attempt in range(_TRIES):
        answer = cluster.run(
            lambda client: client.bulk(index=DEAD_LETTERS, operations=operations, timeout="30s"),
            first=first,
            longest_seconds=MAX_SECONDS,
        )
        if not answer["errors"]:
            return
        verdicts = [(item["index"], judge_item(item["index"])) for item in answer["items"]]
        for item, verdict in verdicts:
            if verdict.verdict in (Verdict.REFUSED, Verdict.STOP):
                raise LoadError(DEAD_LETTERS, f"dead letter {item['_id']}", f"{verdict.error}: {verdict.reason}")
        time.sleep(min(0.2 * 2**attempt, 10))
    raise UnavailableError(DEAD_LETTERS, 0, f"some dead letters were not stored in {_TRIES} tries")


def read_dead_letters(
    cluster: Cluster, build: str, *, limit: int | None = None, replayed: bool = False, rows: bool = False
) -> Iterator[DeadLetter]:
    """Return the dead letters of `build` in source order.

    Parameters
    ----------
    limit
        Maximum number of dead letters, at least 1; default: all.
    replayed
        Whether to include replayed dead letters.
    rows
        Whether to read the rows themselves.
    """
    cluster.run(lambda client: client.indices.refresh(index=DEAD_LETTERS))
    query: dict[str, Any] = {"bool": {"filter": [{"term": {"build": build}}]}}
    if not replayed:
        query["bool"]["must_not"] = [{"exists": {"field": "replayed_at"}}]
    # The row number is part of the id, so no two dead letters of a build share it.
    hits = sorted_hits(
        cluster,
        DEAD_LETTERS,
        query,
        sort=[{"row_number": "asc"}],
        page=_PAGE if limit is None else min(_PAGE, limit),
        source_excludes=None if rows else [_ROW_DATA],
    )
    return (from_document(hit["_source"]) for hit in islice(hits, limit))
