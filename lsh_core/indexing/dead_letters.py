"""Rows that could not be indexed: where they are, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.bulk_answers import Verdict, judge_item
from lsh_core.elastic.cluster import search
from lsh_core.elastic.system_indices import DEAD_LETTERS
from lsh_core.errors import LoadError, UnavailableError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_PAGE = 1000
_TRIES = 8
_LONGEST_REASON = 1000
_LONGEST_ID = 600


@dataclass(frozen=True)
class DeadLetter:
    """One refused row: its source file, its row group, its row in the file, its place in the whole source."""

    build: str
    source: str
    chunk: int
    row_group: int
    row: int
    place: int
    id: str | None
    error: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source} row {self.row:,}: {self.error}: {self.reason}"


def write_dead_letters(client: Elasticsearch, letters: Sequence[DeadLetter]) -> None:
    """Store `letters`; writing the same ones again changes nothing."""
    for start in range(0, len(letters), _PAGE):
        operations: list[dict[str, Any]] = []
        for letter in letters[start : start + _PAGE]:
            document = asdict(letter)
            document["reason"] = letter.reason[:_LONGEST_REASON]
            document["id"] = letter.id[:_LONGEST_ID] if letter.id is not None else None
            operations += [{"index": {"_id": f"{letter.build}:{letter.place}"}}, document]
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


def read_dead_letters(client: Elasticsearch, build: str, *, limit: int | None = None) -> Iterator[DeadLetter]:
    """Yield the dead letters of `build` in source order."""
    client.indices.refresh(index=DEAD_LETTERS)
    after: list[Any] | None = None
    left = limit if limit is not None else float("inf")
    while left > 0:
        size = int(min(_PAGE, left))
        hits = search(
            client,
            DEAD_LETTERS,
            query={"term": {"build": build}},
            sort=[{"place": "asc"}],
            size=size,
            **({"search_after": after} if after else {}),
        )["hits"]["hits"]
        yield from (DeadLetter(**hit["_source"]) for hit in hits)
        if len(hits) < size:
            return
        left -= len(hits)
        after = hits[-1]["sort"]
