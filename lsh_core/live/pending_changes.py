"""Pending changes: journal entries that a build does not contain yet."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.live.journal import Entry, Journal
from lsh_core.live.latest_changes import LatestChangeIndex

FRESH_SECONDS = 1_800.0
"""Younger changes supersede none: their writer may withdraw them after a build refused them.

Half of `gc_deletes`: every build still remembers deletes since then, so an older upsert is not applied again."""


def pending_changes(
    journal: Journal, after: JournalPosition, up_to: JournalPosition, watermark: JournalPosition = BEFORE_ALL
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield the journal in pages with rows, each with its pending changes.

    Superseded changes are skipped. Replaying them into a live index would make deleted documents reappear until their
    delete is replayed.

    Parameters
    ----------
    watermark
        Position up to which the build's source contains all changes: these are skipped.
    """
    last, fresh = LatestChangeIndex(), int((time.time() - FRESH_SECONDS) * 1000)
    for _, changes in uncovered_changes(journal, after, up_to, watermark, rows=False):
        last.add([entry for entry in changes if entry.at < fresh])
    for page, changes in uncovered_changes(journal, after, up_to, watermark):
        is_replaced = last.are_superseded(changes)
        yield page, [entry for entry, each in zip(changes, is_replaced, strict=True) if not each]


def uncovered_changes(
    journal: Journal, after: JournalPosition, up_to: JournalPosition, watermark: JournalPosition, *, rows: bool = True
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield the journal in pages, each with the changes that the source lacks."""
    for page in journal.read(after=max(after, watermark), up_to=up_to, rows=rows):
        changes = [entry for entry in page if entry.changes_document]
        # A change may count as older than the source's change of its id. It must be dropped here, because rows of the
        # source have no position to win by.
        older = [entry.id for entry in changes if entry.effective_position <= watermark]
        if older:
            held = journal.last_positions(older, up_to=watermark)
            changes = [entry for entry in changes if entry.effective_position > held.get(entry.id, BEFORE_ALL)]
        yield page, changes
