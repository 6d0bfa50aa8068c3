"""Sweep of a partition: finds the documents that left it in a build, and deletes them through the journal.

A refresh says at its end, by an entry of the kind ``sweep``, that its partition holds nothing that is older than
its beginning. Every build that does not know the refreshed source yet takes that up when it is brought up to date,
and writes the deletes of what it finds into the journal, so that all later builds know them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.elastic.cluster import on_any_node, refresh
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.scan import scan
from lsh_core.live.journal import Change, Entry, Journal

_PAGE = 2_000


def sweep(
    connection: Connection, journal: Journal, index: str, entry: Entry, *, planned_at: JournalPosition
) -> Iterator[list[Entry]]:
    """Append the deletes that `entry`, a sweep, means for `index`; yield them in pages, to be applied.

    The deletes are as old as the beginning of the refresh: they undo nothing that was written since.

    `index` must hold all changes of the journal up to `entry`.

    Parameters
    ----------
    planned_at
        End of the journal before the source of `index` was listed. If the refresh began before it, loaded documents are
        in the partition: only documents that were written live before can have left it.
    """
    partition, loaded = str(entry.partition), entry.effective_position > planned_at
    for ids in departed(connection, index, partition, before=entry.effective_position, loaded=loaded):
        # A source that covers live changes gives documents no position: the journal knows which are not older.
        later = journal.last_positions(ids, up_to=entry.position)
        yield journal.append(
            [
                Change(
                    each,
                    "delete",
                    partition=entry.partition,
                    effective_position=entry.effective_position,
                    key=_key(entry, each),
                )
                for each in ids
                if later.get(each, BEFORE_ALL) <= entry.effective_position
            ]
        )


def departed(
    connection: Connection, index: str, partition: str, *, before: JournalPosition, loaded: bool
) -> Iterator[list[str]]:
    """Yield, in pages, the ids of the documents of `partition` that were changed before a position, or were loaded.

    All of them are seen as they were when the first page was asked for.

    Parameters
    ----------
    loaded
        Whether to give those that were loaded.
    """
    older: list[dict[str, Any]] = [{"range": {"airlsh.change": {"lt": before}}}]
    if loaded:
        older.append({"bool": {"must_not": [{"exists": {"field": "airlsh.change"}}]}})
    query = {"bool": {"filter": [{"term": {"airlsh.partition": partition}}, {"bool": {"should": older}}]}}
    on_any_node(connection, lambda client: refresh(client, index))
    for hits in scan(connection, index, query, page=_PAGE):
        yield [hit["_id"] for hit in hits]


def _key(entry: Entry, identity: str) -> str:
    return hashlib.sha256(f"{entry.key}\x00{identity}".encode()).hexdigest()[:40]
