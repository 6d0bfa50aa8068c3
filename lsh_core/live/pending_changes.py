"""Which changes of the journal a build is to be given."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lsh_core.live.journal import BEFORE_ALL, Entry, Journal
from lsh_core.live.latest_changes import LatestChangeIndex

FRESH_SECONDS = 1_800.0
"""Younger changes replace none: their writer may take them back, because a build refused them. It is half of
`gc_deletes`: what was deleted since then no build has forgotten, and an older upsert is not made again."""


def pending_changes(
    journal: Journal, after: int, upto: int, covered: int = BEFORE_ALL
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield the journal in pages, with rows, each with the changes of it that are to be made.

    A change that a later one replaced is not made again: in a build that is searched, a document that was deleted long
    ago would be there again until its delete is made again.

    Parameters
    ----------
    covered
        Place in the journal up to which the source of the build holds all changes: those are passed over.
    """
    last, fresh = LatestChangeIndex(), int((time.time() - FRESH_SECONDS) * 1000)
    for _, changes in uncovered_changes(journal, after, upto, covered, rows=False):
        last.add([entry for entry in changes if entry.at < fresh])
    for page, changes in uncovered_changes(journal, after, upto, covered):
        is_replaced = last.are_superseded(changes)
        yield page, [entry for entry, each in zip(changes, is_replaced, strict=True) if not each]


def uncovered_changes(
    journal: Journal, after: int, upto: int, covered: int, *, rows: bool = True
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield the journal in pages, each with the changes of it that the source of a build does not hold."""
    for page in journal.read(after=max(after, covered), upto=upto, rows=rows):
        changes = [entry for entry in page if entry.changes_document]
        # One that counts as older than what the source holds of its id would undo that, as the source has no versions.
        older = [entry.id for entry in changes if entry.position <= covered]
        if older:
            held = journal.last_positions(older, upto=covered)
            changes = [entry for entry in changes if entry.position > held.get(entry.id, BEFORE_ALL)]
        yield page, changes
