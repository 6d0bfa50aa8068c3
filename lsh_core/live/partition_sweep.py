"""Sweep of a partition: deletes the documents that left it, through the journal.

At its end a refresh appends an entry of the kind ``sweep``: the partition holds nothing older than the beginning of the
refresh. Each build whose source does not contain the refresh applies the sweep when it is brought up to date. It
appends the deletes of the documents found to the journal, so that all later builds know them too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import scan
from lsh_core.live.journal import Change, Entry, Journal

_PAGE = 2_000


def sweep(
    cluster: Cluster, journal: Journal, index: str, entry: Entry, *, planned_at: JournalPosition
) -> Iterator[list[Entry]]:
    """Append the deletes of the sweep `entry` for `index`; yield them in pages.

    The caller applies the deletes. They count from the beginning of the refresh, so they undo nothing that was written
    since. `index` must hold all changes of the journal up to `entry`.

    Parameters
    ----------
    planned_at
        End of the journal before the source of `index` was listed. If the refresh began earlier, loaded documents
        belong to the partition, and only documents that were written live can have left it.
    """
    partition, loaded = str(entry.partition), entry.effective_position > planned_at
    for ids in departed(cluster, index, partition, before=entry.effective_position, loaded=loaded):
        # A source that contains live changes gives its documents no position, so the journal tells which have later
        # changes.
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
    cluster: Cluster, index: str, partition: str, *, before: JournalPosition, loaded: bool
) -> Iterator[list[str]]:
    """Yield the ids of older documents of `partition`, in pages.

    A document is older if its change precedes the position `before`. The documents are seen as of the first page.

    Parameters
    ----------
    loaded
        Whether to include loaded documents.
    """
    older: list[dict[str, Any]] = [{"range": {"airlsh.change": {"lt": before}}}]
    if loaded:
        older.append({"bool": {"must_not": [{"exists": {"field": "airlsh.change"}}]}})
    query = {"bool": {"filter": [{"term": {"airlsh.partition": partition}}, {"bool": {"should": older}}]}}
    cluster.refresh(index)
    for hits in scan(cluster, index, query, page=_PAGE):
        yield [hit["_id"] for hit in hits]


def _key(entry: Entry, id: str) -> str:
    return hashlib.sha256(f"{entry.key}\x00{id}".encode()).hexdigest()[:40]
