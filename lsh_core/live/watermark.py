"""Watermarks of builds, and how far the journal may be deleted.

A watermark is a journal position: the source of the build contains every change up to it, and replay starts after it.
A new build takes it from the time ``source_as_of``, or keeps that of the live build.

The position up to which changes may be gone is recorded for each name. An earlier ``source_as_of`` is refused. A build
with an earlier watermark can no longer be verified, nor take corrected dead letters. `changed_ids` finds the ids that
corrected rows must not overwrite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from elasticsearch import ConflictError, NotFoundError

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition, SourceWatermark
from lsh_core.builds.records import BuildEntry, BuildRecords, BuildState
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.errors import ChangesGoneError, SettingsError
from lsh_core.json_form import plain
from lsh_core.live.journal import Journal


def source_watermark(
    cluster: Cluster, name: str, time: str | None, live: str | None, up_to: JournalPosition
) -> SourceWatermark:
    """Return the source watermark of a build that starts now.

    Parameters
    ----------
    time
        Moment before which the source contains all changes. None keeps the watermark of the live build.
    live
        Live index.
    up_to
        End of the journal before the source was opened. The watermark never exceeds it.

    Raises
    ------
    SettingsError
        `time` is earlier than an earlier watermark whose changes were deleted from the journal since.
    """
    deleted = _deleted(cluster, name)
    if time is None:
        kept = watermark_of(BuildRecords(cluster).of(name), live)
        return max(kept, deleted, key=lambda each: each.position)
    position = Journal(cluster, name).position_before(time, up_to=up_to)
    if position < deleted.position:
        reason = f"is before {deleted.time}, the watermark of an earlier source: older changes have left the journal"
        raise SettingsError("source_as_of", time, f"{reason}. Set that time or a later one")
    return SourceWatermark(time, position)


def watermark_of(records: Iterable[BuildEntry], live: str | None) -> SourceWatermark:
    """Return the watermark of the live build, or the position before all changes."""
    return next((record.watermark for record in records if record.index == live), SourceWatermark())


def deletable_position(records: Sequence[BuildEntry], live: str | None) -> JournalPosition:
    """Return the position up to which journal entries may be deleted. Pure.

    It is the live build's watermark, lowered to the oldest position that some other build still needs: its own
    watermark, or its replayed position if it is verified.
    """
    needed = [watermark_of(records, live).position]
    for record in records:
        replayed_to = record.replayed_to if record.state is BuildState.VERIFIED else BEFORE_ALL
        needed.append(max(record.watermark.position, replayed_to))
    return min(needed)


def changed_ids(cluster: Cluster, name: str, ids: Sequence[str], *, watermark: JournalPosition) -> set[str]:
    """Return the ids that have live changes after `watermark`.

    Rows of the source must not be written under these ids. Once a shard has forgotten a deleted document, an older
    version would bring it back.
    """
    journal = Journal(cluster, name)
    last = journal.last_positions(ids, up_to=journal.barrier())
    held = journal.last_positions(list(last), up_to=watermark) if watermark > BEFORE_ALL else {}
    return {id for id, position in last.items() if position > held.get(id, BEFORE_ALL)}


def require_changes(cluster: Cluster, record: BuildEntry) -> None:
    """Raise `ChangesGoneError` if the journal lacks changes that a build depends on.

    These changes tell which documents of the build were written live. A build that was verified before the changes were
    deleted can be promoted, but not verified again.
    """
    deleted = _deleted(cluster, record.name)
    if record.watermark.position < deleted.position:
        raise ChangesGoneError(record.index, str(deleted.time))


def record_deleted(cluster: Cluster, name: str, watermark: SourceWatermark) -> None:
    """Record that changes up to `watermark` are deleted from the journal.

    The caller records this before it deletes them.
    """
    if watermark.position <= _deleted(cluster, name).position:
        return
    # The position is the version, so a request that a hung node executes late replaces no later position.
    version: dict[str, Any] = {"version": watermark.position, "version_type": "external_gte"}
    document = {"watermark": plain(watermark)}
    with suppress(ConflictError):  # Another caller has recorded a later position.
        cluster.run(lambda client: client.index(index=RUNS, id=_document_id(name), document=document, **version))


def _deleted(cluster: Cluster, name: str) -> SourceWatermark:
    """Return the recorded watermark of deleted changes."""
    ensure_system_index(cluster, RUNS)
    try:
        found = cluster.run(lambda client: client.get(index=RUNS, id=_document_id(name)))
    except NotFoundError:
        return SourceWatermark()
    return SourceWatermark(**found["_source"]["watermark"])


def _document_id(name: str) -> str:
    return f"watermark/{name}"
