"""Journal of live changes: ``airlsh-changes``, one document per change.

The journal orders the changes by the ``_seq_no`` of their documents in its single shard. This number is the position of
a change. A change is in the journal before it is in any build, so a later build can receive it too.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.builds.records import now
from lsh_core.elastic.bulk_answers import RETRYABLE_STATUSES
from lsh_core.elastic.bulk_requests import post_bulk, requests
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.elastic.system_indices import CHANGES, ensure_system_index
from lsh_core.errors import LoadError, ServerError, UnavailableError
from lsh_core.live.journal_reads import barrier, read_after_barrier

_OWN_KEY = "once-"
_PAGE = 500
_PAGE_WITHOUT_ROWS = 2000
_FIELDS = ["id", "kind", "partition", "position", {"field": "at", "format": "epoch_millis"}]
_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.05

Kind = Literal["upsert", "delete", "mark", "sweep"]


@dataclass(frozen=True)
class Change:
    """Upsert, delete, mark or sweep, before it is appended to the journal.

    Attributes
    ----------
    kind
        A ``mark`` changes nothing: it only takes a position. A ``sweep`` says that the documents of its partition that
        are older than its effective position have left the partition.
    row
        Row of an upsert, as an Arrow IPC stream.
    effective_position
        Position at which the change counts; default: its own position. Set only if it is older.
    key
        Document id in the journal. Appending the same key again gives the same change.
    """

    id: str
    kind: Kind
    row: bytes | None = None
    partition: str | None = None
    effective_position: JournalPosition | None = None
    key: str | None = None


@dataclass(frozen=True)
class Entry:
    """Change as the journal stores it.

    Attributes
    ----------
    position
        Position in the journal.
    effective_position
        Position from which the document version follows: the own position, unless the change counts as older.
    at
        Time of the append in milliseconds since 1970, by the clock of the writer.
    primary_term
        Primary term of the shard that accepted the change; known for changes that were read.
    was_there
        Whether an earlier try had already appended the change, maybe long ago.
    """

    key: str
    id: str
    kind: Kind
    row: bytes | None
    partition: str | None
    position: JournalPosition
    effective_position: JournalPosition
    at: int = field(default=0, compare=False)
    primary_term: int | None = field(default=None, compare=False)
    was_there: bool = field(default=False, compare=False)

    @property
    def changes_document(self) -> bool:
        """True for a change that writes or deletes the document `id`."""
        return self.kind in ("upsert", "delete")


def is_repeatable(key: str) -> bool:
    """Return whether a change may be appended again under the same key.

    That holds if its appender chose the key.
    """
    return not key.startswith(_OWN_KEY)


class Journal:
    """Journal of the changes of one index name.

    Parameters
    ----------
    through
        Alias to append through. Once it is removed, appends fail.
    """

    def __init__(self, cluster: Cluster, name: str, *, through: str = CHANGES) -> None:
        self._cluster, self._name, self._through = cluster, name, through
        ensure_system_index(cluster, CHANGES)

    def append(self, changes: Sequence[Change]) -> list[Entry]:
        """Append `changes` in order.

        When the function returns, the changes are on disk on every copy of the journal.

        Raises
        ------
        UnavailableError
            The journal did not acknowledge a change in time. It is unknown whether the journal holds the change.
        LoadError
            The alias to append through is missing: another run has taken over the work.
        """
        keys = [change.key or _OWN_KEY + uuid.uuid4().hex for change in changes]
        lines = [self._lines(change, key) for change, key in zip(changes, keys, strict=True)]
        positions: dict[int, JournalPosition] = {}
        repeated: set[int] = set()
        deadline = time.monotonic() + _WAIT_SECONDS
        waiting = list(range(len(changes)))
        while waiting:
            left: list[int] = []
            last = ""
            own = [lines[number] for number in waiting]
            for part in requests(own):
                taken, there, reason = self._send(waiting[part], own[part], keys)
                positions |= taken
                repeated.update(there)
                last = reason or last
                left += [number for number in waiting[part] if number not in taken]
            if left and time.monotonic() > deadline:
                raise UnavailableError("the journal", _WAIT_SECONDS, last)
            if left:
                time.sleep(_PAUSE_SECONDS)
            waiting = left
        return [
            Entry(
                key=keys[number],
                id=change.id,
                kind=change.kind,
                row=change.row,
                partition=change.partition,
                position=positions[number],
                effective_position=(
                    positions[number] if change.effective_position is None else change.effective_position
                ),
                was_there=number in repeated,
            )
            for number, change in enumerate(changes)
        ]

    def read(self, *, after: JournalPosition, up_to: JournalPosition, rows: bool = True) -> Iterator[list[Entry]]:
        """Yield the changes with ``after < position <= up_to`` in order, in pages.

        `up_to` is a result of `barrier`.

        Parameters
        ----------
        rows
            Whether to read the rows of the entries. Without rows, reading is several times faster.

        Raises
        ------
        UnavailableError
            No node reads from a copy that holds all these changes.
        """
        while after < up_to:
            page = self._page(after=after, up_to=up_to, rows=rows)
            if not page:
                return
            yield page
            after = page[-1].position

    def has_any(self, *, after: JournalPosition) -> bool:
        """Return whether the name has changes, marks or sweeps with ``after < position``."""
        return any(True for _ in self.read(after=after, up_to=self.barrier(), rows=False))

    def last_positions(self, ids: Sequence[str], *, up_to: JournalPosition) -> dict[str, JournalPosition]:
        """Return the last effective position of each id among changes up to `up_to`."""
        found: dict[str, JournalPosition] = {}
        for some in pages(ids, _PAGE):
            after = BEFORE_ALL
            while True:
                page = self._page(after=after, up_to=up_to, rows=False, more={"terms": {"id": list(some)}})
                for entry in filter(lambda each: each.changes_document, page):
                    found[entry.id] = max(entry.effective_position, found.get(entry.id, BEFORE_ALL))
                if len(page) < _PAGE_WITHOUT_ROWS:
                    break
                after = page[-1].position
        return found

    def position_before(self, time: str, *, up_to: JournalPosition) -> JournalPosition:
        """Return the position before the first change at `time` (ISO 8601) or later.

        If `up_to` is smaller, it is returned instead.
        """
        later = {"range": {"at": {"gte": time}}}
        first = self._page(after=BEFORE_ALL, up_to=up_to, rows=False, more=later, size=1)
        return JournalPosition(first[0].position - 1) if first else up_to

    def barrier(self) -> JournalPosition:
        """Return a position after every change that was acknowledged before the call.

        All changes up to the position can be read when the function returns. Each call returns a new, larger position;
        use `has_any` to find out whether anything was written in between.

        Raises
        ------
        UnavailableError
            The journal's shard did not answer in time.
        """
        return barrier(self._cluster, self._name)

    def forget(self, keys: Sequence[str]) -> None:
        """Delete changes by their keys."""
        self._delete([{"_id": key} for key in keys])

    def take_out(self, entries: Sequence[Entry]) -> int:
        """Delete changes that were read; return how many still existed.

        A change is deleted only if it is unchanged since it was read.
        """
        return self._delete(
            [
                {"_id": entry.key, "if_seq_no": entry.position, "if_primary_term": entry.primary_term}
                for entry in entries
            ]
        )

    def _delete(self, wanted: Sequence[dict[str, Any]]) -> int:
        lines = [orjson.dumps({"delete": each}) + b"\n" for each in wanted]
        deleted = 0
        for part in requests(lines):
            for item in _bulk(self._cluster, b"".join(lines[part])):
                status = item["delete"]["status"]
                if status not in (200, 404, 409):
                    raise ServerError(f"{CHANGES}: a change could not be taken out: {item['delete'].get('error')}")
                deleted += status == 200
        return deleted

    def _lines(self, change: Change, key: str) -> bytes:
        document: dict[str, Any] = {
            "name": self._name,
            "id": change.id,
            "kind": change.kind,
            "at": now(),
        }
        if change.row is not None:
            document["row"] = base64.b64encode(change.row).decode("ascii")
        if change.partition is not None:
            document["partition"] = change.partition
        if change.effective_position is not None:
            document["position"] = change.effective_position
        return orjson.dumps({"create": {"_id": key}}) + b"\n" + orjson.dumps(document) + b"\n"

    def _send(
        self, numbers: Sequence[int], lines: Sequence[bytes], keys: Sequence[str]
    ) -> tuple[dict[int, JournalPosition], list[int], str]:
        """Send one request.

        Returns
        -------
        tuple
            The position of each change that the journal holds now; the changes that it held before; the reason why
            others are missing.
        """
        taken: dict[int, JournalPosition] = {}
        there: list[int] = []
        reason = ""
        items = _bulk(self._cluster, b"".join(lines), through=self._through)
        for number, each in zip(numbers, items, strict=True):
            item = each["create"]
            if item["status"] == 201:
                taken[number] = JournalPosition(int(item["_seq_no"]))
            elif item["status"] == 409:
                there.append(number)
            elif item["status"] in RETRYABLE_STATUSES:
                reason = str(item.get("error"))
            elif item["status"] == 404:
                raise LoadError(CHANGES, self._through, "write alias removed: another run holds the lease")
            else:
                raise ServerError(f"{CHANGES}: a change was refused: {item.get('error')}")
        if there:
            ids = [keys[number] for number in there]
            found = self._cluster.run(lambda client: client.mget(index=CHANGES, ids=ids, source=False)["docs"])
            for number, each in zip(there, found, strict=True):
                if each.get("found"):
                    taken[number] = JournalPosition(int(each["_seq_no"]))
        return taken, there, reason

    def _page(
        self,
        *,
        after: JournalPosition,
        up_to: JournalPosition,
        rows: bool,
        more: Mapping[str, Any] | None = None,
        size: int | None = None,
    ) -> list[Entry]:
        # Reading doc values spares the server the document sources, which consist mostly of rows.
        kept = {} if rows else {"source": False, "docvalue_fields": _FIELDS}
        wanted: list[Mapping[str, Any]] = [
            {"term": {"name": self._name}},
            {"range": {"_seq_no": {"gt": after, "lte": up_to}}},
        ]
        if more is not None:
            wanted.append(more)
        hits = read_after_barrier(
            self._cluster,
            self._name,
            up_to,
            query={"bool": {"filter": wanted}},
            sort=[{"_seq_no": "asc"}],
            size=size or (_PAGE if rows else _PAGE_WITHOUT_ROWS),
            **kept,
        )
        return [_entry(hit) for hit in hits]


def _entry(hit: dict[str, Any]) -> Entry:
    position = JournalPosition(int(hit["_seq_no"]))
    if "_source" in hit:
        own = hit["_source"]
        at = round(datetime.fromisoformat(own["at"]).timestamp() * 1000)
    else:
        own = {name: values[0] for name, values in hit["fields"].items()}
        at = int(own["at"])
    row = own.get("row")
    return Entry(
        key=hit["_id"],
        id=own["id"],
        kind=own["kind"],
        row=base64.b64decode(row) if row is not None else None,
        partition=own.get("partition"),
        position=position,
        effective_position=JournalPosition(int(own.get("position", position))),
        at=at,
        primary_term=hit["_primary_term"],
    )


def _bulk(cluster: Cluster, body: bytes, *, through: str = CHANGES) -> list[dict[str, Any]]:
    answer = cluster.waiting(_WAIT_SECONDS).run(
        lambda client: post_bulk(client, through, body, require_alias=through != CHANGES, more=["items.*._seq_no"])
    )
    items: list[dict[str, Any]] = answer.body["items"]
    return items
