"""Covers: up to which live change the source of a build holds them all, so that the build need not replay those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lsh_core.builds.records import VERIFIED, BuildRecords
from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.errors import ChangesGoneError, SettingsError
from lsh_core.live.journal import BEFORE_ALL, Journal

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class SourceWatermark:
    """What a source holds of the live changes.

    Attributes
    ----------
    time
        What was said: the source holds all changes before this moment (ISO 8601); None: nothing was said.
    upto
        Place in the journal of the last change that this covers. It is worked out once, when the build is begun:
        from then on the writers' clocks decide nothing.
    """

    time: str | None = None
    upto: int = BEFORE_ALL

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> SourceWatermark:
        """Return the cover of a build, by its record."""
        return cls(**(record or {}).get("cover") or {})


def source_watermark(
    connection: Connection, name: str, time: str | None, live: str | None, journal_at: int
) -> SourceWatermark:
    """Return the cover of a build that begins now.

    Parameters
    ----------
    time
        What was said of its source; None: nothing, so it goes on from the cover of the build that is live.
    live
        Index that is live.
    journal_at
        Where the journal was before the source was looked at: later changes are never covered.

    Raises
    ------
    SettingsError
        `time` is earlier than an earlier cover whose changes were taken out of the journal since.
    """
    client = answering_client(connection)
    dropped = _dropped(client, name)
    if time is None:
        record = next(
            (each for each in BuildRecords(client).of(name) if live is not None and each["index"] == live), None
        )
        return max(SourceWatermark.of(record), dropped, key=lambda cover: cover.upto)
    upto = Journal(connection, name).place_before(time, upto=journal_at)
    if upto < dropped.upto:
        reason = f"is before {dropped.time}, the watermark of an earlier source: older changes have left the journal"
        raise SettingsError("source_as_of", time, f"{reason}. Give that time or a later one")
    return SourceWatermark(time, upto)


def deletable_position(records: Iterable[Mapping[str, Any]], live: str | None) -> int:
    """Return the place in the journal up to which no build of a name needs the changes any more. Pure.

    That is as far as the source of the build that is live covers them, and each other build has them: its source
    does, or it was verified and holds them itself.
    """
    limits, upto = [], BEFORE_ALL
    for record in records:
        covered = SourceWatermark.of(record).upto
        if record["index"] == live:
            upto = covered
        replayed = int(record.get("replayed_to", BEFORE_ALL)) if record["state"] == VERIFIED else BEFORE_ALL
        limits.append(max(covered, replayed))
    return min([upto, *limits])


def changed_ids(connection: Connection, name: str, ids: Sequence[str], *, covered: int) -> set[str]:
    """Return those of `ids` that belong to live changes by now, in a build whose source covers those up to `covered`.

    Rows of the source must not be written under them any more: once a deleted document is forgotten by its shard, an
    older version would bring it back.
    """
    journal = Journal(connection, name)
    last = journal.last_positions(ids, upto=journal.settled())
    held = journal.last_positions(list(last), upto=covered) if covered > BEFORE_ALL else {}
    return {identity for identity, position in last.items() if position > held.get(identity, BEFORE_ALL)}


def require_changes(client: Elasticsearch, name: str, record: Mapping[str, Any]) -> None:
    """Raise `ChangesGoneError` if the journal lacks changes that tell which documents of a build are live ones.

    A build that was verified before they left holds them, and can be made live; it cannot be verified again.
    """
    dropped = _dropped(client, name)
    if SourceWatermark.of(record).upto < dropped.upto:
        raise ChangesGoneError(str(record["index"]), str(dropped.time))


def note_dropped(client: Elasticsearch, name: str, cover: SourceWatermark) -> None:
    """Record that changes up to `cover` leave the journal; before they do, so that no build counts on them."""
    if cover.upto > _dropped(client, name).upto:
        client.index(index=RUNS, id=_document_id(name), document={"cover": asdict(cover)})


def _dropped(client: Elasticsearch, name: str) -> SourceWatermark:
    """Return up to where changes may have left the journal."""
    from elasticsearch import NotFoundError

    ensure_system_index(client, RUNS)
    try:
        return SourceWatermark.of(client.get(index=RUNS, id=_document_id(name))["_source"])
    except NotFoundError:
        return SourceWatermark()


def _document_id(name: str) -> str:
    return f"cover/{name}"
