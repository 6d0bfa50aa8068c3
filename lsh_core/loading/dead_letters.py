"""Rows that could not be indexed: where they are, why, and what they held.

Of a chunk only so many are kept, the first ones, so that a wholly bad source does not fill the cluster; how many there
were is in the ledger. Each is kept for some days. One that was replayed stays until then, so that the replay can be
repeated, but it is no dead letter any more.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.bulk_answers import Verdict, judge_item
from lsh_core.elastic.cluster import search
from lsh_core.elastic.paging import pages
from lsh_core.elastic.system_indices import DEAD_LETTERS
from lsh_core.errors import LoadError, UnavailableError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PAGE = 1000
_TRIES = 8
_LONGEST_REASON = 1000
_LONGEST_ID = 600
_MOST_ROW_BYTES = 64 * 2**10
_LEAST_KEPT, _MOST_KEPT = 20, 100_000
_ALL_BUT_DATA = ["row_data"]


def dead_letters_kept(chunks: int) -> int:
    """Return how many dead letters are kept of each of `chunks` chunks: some of each, about 100,000 of a build."""
    return max(_LEAST_KEPT, _MOST_KEPT // max(1, chunks))


def expiry(days: int) -> str:
    """Return when a dead letter of now expires."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


@dataclass(frozen=True)
class DeadLetter:
    """One refused row: its source file, its row group, its row in the file, its row number in the whole source.

    Attributes
    ----------
    row_bytes
        The row as `pack_row` wrote it; None if it is too long to be kept, or was not asked for.
    replayed_at
        When a corrected row took its place in the index.
    """

    build: str
    source: str
    chunk: int
    row_group: int
    row: int
    row_number: int
    id: str | None
    error: str
    reason: str
    expires_at: str | None = None
    replayed_at: str | None = None
    row_bytes: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Its document id: the same each time that its row is refused."""
        return f"{self.build}:{self.row_number}"

    def to_json(self) -> dict[str, Any]:
        """Return all fields but the row and the time of its replay."""
        document = asdict(self)
        del document["row_bytes"], document["replayed_at"]
        return document

    def to_document(self) -> dict[str, Any]:
        """Return the dead letter as it is stored; long texts are cut, and a row that is too long is left out."""
        document = {**self.to_json(), "reason": self.reason[:_LONGEST_REASON], "replayed_at": self.replayed_at}
        if self.id is not None:
            document["id"] = self.id[:_LONGEST_ID]
        if self.row_bytes is not None and len(self.row_bytes) <= _MOST_ROW_BYTES:
            document["row_data"] = base64.b64encode(self.row_bytes).decode("ascii")
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> DeadLetter:
        """Read what `to_document` wrote."""
        known = dict(document)
        data = known.pop("row_data", None)
        return cls(**known, row_bytes=base64.b64decode(data) if data is not None else None)

    def __str__(self) -> str:
        return f"{self.source} row {self.row:,}: {self.error}: {self.reason}"


def write_dead_letters(client: Elasticsearch, dead_letters: Sequence[DeadLetter]) -> None:
    """Store `letters`; writing the same ones again changes nothing."""
    for page in pages(dead_letters, _PAGE):
        operations: list[dict[str, Any]] = []
        for dead_letter in page:
            operations += [{"index": {"_id": dead_letter.key}}, dead_letter.to_document()]
        _write_all(client, operations)


def _write_all(client: Elasticsearch, operations: list[dict[str, Any]]) -> None:
    """Write until every item is taken: the writes are the same each time, so all of them may be repeated."""
    for attempt in range(_TRIES):
        answer = client.bulk(index=DEAD_LETTERS, operations=operations, timeout="30s")
        if not answer["errors"]:
            return
        verdicts = [(item["index"], judge_item(item["index"])) for item in answer["items"]]
        for item, verdict in verdicts:
            if verdict.verdict in (Verdict.REFUSED, Verdict.STOP):
                raise LoadError(DEAD_LETTERS, f"dead letter {item['_id']}", f"{verdict.error}: {verdict.reason}")
        time.sleep(min(0.2 * 2**attempt, 10))
    raise UnavailableError(DEAD_LETTERS, 0, f"some dead letters were not taken in {_TRIES} tries")


def read_dead_letters(
    client: Elasticsearch, build: str, *, limit: int | None = None, replayed: bool = False, rows: bool = False
) -> Iterator[DeadLetter]:
    """Yield the dead letters of `build` in source order.

    Parameters
    ----------
    replayed
        Whether to give those as well that were replayed.
    rows
        Whether to read the rows themselves.
    """
    client.indices.refresh(index=DEAD_LETTERS)
    query: dict[str, Any] = {"bool": {"filter": [{"term": {"build": build}}]}}
    if not replayed:
        query["bool"]["must_not"] = [{"exists": {"field": "replayed_at"}}]
    after: list[Any] | None = None
    left = limit if limit is not None else float("inf")
    while left > 0:
        size = int(min(_PAGE, left))
        hits = search(
            client,
            DEAD_LETTERS,
            query=query,
            sort=[{"row_number": "asc"}],
            size=size,
            source_excludes=[] if rows else _ALL_BUT_DATA,
            **({"search_after": after} if after else {}),
        )["hits"]["hits"]
        yield from (DeadLetter.from_document(hit["_source"]) for hit in hits)
        if len(hits) < size:
            return
        left -= len(hits)
        after = hits[-1]["sort"]
