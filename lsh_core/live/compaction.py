"""Deletes journal entries that no build needs, after a promotion.

Superseded changes and changes that the source contains are deleted, once both together are about half of the changes
of a name. Changes of the last hour stay, since their writers may withdraw them; repeatable changes stay a week.

Without a watermark the last change of each id stays, even a delete: a later build from an older source must not bring
the document back. Up to the watermark the last change is deleted too, as no build will replay it. A change that stays
keeps its position, so concurrent readers and replays see it. A compaction may be killed and repeated at any time.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.live.journal import Entry, Journal, is_repeatable
from lsh_core.live.latest_changes import LatestChangeIndex

YOUNG_SECONDS = 3_600.0
"""Younger changes are kept and supersede none: their writer may withdraw them after a build refused them."""

REPEATABLE_SECONDS = 7 * 86_400.0
"""Upper bound for a refresh including retries.

Keyed changes younger than this are kept: a retry that re-appended one after compaction would give it a new position,
and it would win over later changes. Marks younger than this are kept as well, and nothing after such a mark counts as
covered, because the refresh that wrote it may still append deletes dated at the mark."""

_IDS_A_ROUND = 4_000_000


@dataclass(frozen=True)
class Compacted:
    """Number of changes of the name before a compaction, and number of deleted changes."""

    changes: int
    taken_out: int


class Redundant:
    """Selects the redundant changes of the journal. Pure: no I/O.

    Parameters
    ----------
    watermark
        Position up to which the source contains all changes.
    young, repeatable
        Changes from `young` on stay. Marks and repeatable changes from `repeatable` on stay. Both are milliseconds
        since 1970.
    """

    def __init__(self, *, watermark: JournalPosition, young: int, repeatable: int) -> None:
        self._watermark, self._young, self._repeatable = watermark, young, repeatable
        self._last, self._uncovered = LatestChangeIndex(), LatestChangeIndex()
        self._sweeps: dict[str | None, JournalPosition] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        """Add `entries`; all changes of the name are added in journal order."""
        for entry in entries:
            if entry.kind == "mark" and self._stays(entry):
                self._watermark = JournalPosition(min(self._watermark, entry.position - 1))
            if entry.kind == "sweep" and entry.at < self._young:
                self._sweeps[entry.partition] = max(
                    entry.effective_position, self._sweeps.get(entry.partition, BEFORE_ALL)
                )
        changes = [entry for entry in entries if entry.changes_document]
        self._last.add([entry for entry in changes if entry.at < self._young])
        # An uncovered change may count as older than a covered change of its id. The covered change must then stay, to
        # win.
        if self._watermark > BEFORE_ALL:
            self._uncovered.add([entry for entry in changes if not self._is_covered(entry)])

    def among(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that may be deleted, once all were added."""
        superseded = self._last.are_superseded(entries).tolist()
        needed = self._uncovered.are_known(entries).tolist()
        return [
            entry
            for entry, replaced, wanted in zip(entries, superseded, needed, strict=True)
            if not self._stays(entry) and self._is_redundant(entry, replaced, wanted)
        ]

    def _stays(self, entry: Entry) -> bool:
        return entry.at >= (self._repeatable if entry.kind == "mark" or is_repeatable(entry.key) else self._young)

    def _is_redundant(self, entry: Entry, replaced: bool, wanted: bool) -> bool:
        if entry.kind == "mark":
            return True
        if entry.kind == "sweep":  # A later sweep of the same partition does everything that this one does.
            return entry.effective_position < self._sweeps[entry.partition]
        return replaced or (self._is_covered(entry) and not wanted)

    def _is_covered(self, entry: Entry) -> bool:
        return entry.position <= self._watermark and not self._stays(entry)


def compact_journal(
    cluster: Cluster,
    name: str,
    *,
    watermark: JournalPosition = BEFORE_ALL,
    share: float = 0.5,
    young_seconds: float = YOUNG_SECONDS,
    before: Callable[[], None] = lambda: None,
) -> Compacted:
    """Delete changes that no build needs, if their share of the journal exceeds `share`.

    The function is safe beside writers, replays, verifications and other compactions. Memory holds the last changes of
    at most four million ids, 64 bytes each. A name with more ids is processed in several rounds.

    Parameters
    ----------
    watermark
        Position up to which changes are deleted even if they are the last of their id: the source contains them, and no
        build will replay them. The caller must keep new builds from starting meanwhile.
    young_seconds
        Minimum age of a deleted change, in seconds.
    before
        Called once before anything is deleted.
    """
    journal = Journal(cluster, name)
    up_to = journal.barrier()
    now = time.time()
    young, repeatable = int((now - young_seconds) * 1000), int((now - REPEATABLE_SECONDS) * 1000)
    changes, ids = _estimate(cluster, name, young, watermark)
    if changes - ids <= share * changes:
        return Compacted(changes, 0)
    before()
    rounds = 1 + ids // _IDS_A_ROUND
    taken_out = 0
    for number in range(rounds):
        redundant = Redundant(watermark=watermark, young=young, repeatable=repeatable)
        for page in _pages(journal, up_to, number, rounds):
            redundant.add(page)
        for page in _pages(journal, up_to, number, rounds):
            taken_out += journal.take_out(redundant.among(page))
    return Compacted(changes, taken_out)


def _pages(journal: Journal, up_to: JournalPosition, number: int, rounds: int) -> Iterator[list[Entry]]:
    """Yield the changes of the ids of one round.

    Marks and sweeps belong to all rounds.
    """
    for page in journal.read(after=BEFORE_ALL, up_to=up_to, rows=False):
        if rounds == 1:
            yield page
        else:
            yield [
                entry
                for entry in page
                if not entry.changes_document or zlib.crc32(entry.id.encode()) % rounds == number
            ]


def _estimate(cluster: Cluster, name: str, young: int, watermark: JournalPosition) -> tuple[int, int]:
    """Return the number of changes, and an estimate of the changes that stay."""
    old = {"bool": {"filter": [{"range": {"at": {"lt": young, "format": "epoch_millis"}}}]}}
    kept = {"bool": {"filter": [*old["bool"]["filter"], {"range": {"_seq_no": {"gt": watermark}}}]}}
    ids = {"ids": {"cardinality": {"field": "id", "precision_threshold": 40_000}}}
    answer = cluster.search(
        CHANGES,
        query={"term": {"name": name}},
        size=0,
        track_total_hits=True,
        aggs={"old": {"filter": old}, "kept": {"filter": kept, "aggs": ids}},
    )
    changes, found = int(answer["hits"]["total"]["value"]), answer["aggregations"]
    return changes, changes - int(found["old"]["doc_count"]) + int(found["kept"]["ids"]["value"])
