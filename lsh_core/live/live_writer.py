"""Live changes: into the journal first, then into the build that is live, then the answer."""

from __future__ import annotations

import logging
import numbers
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lsh_core.builds.aliases import live_index
from lsh_core.builds.names import live_write_alias
from lsh_core.builds.records import nothing_live
from lsh_core.elastic.cluster import on_any_node, refresh
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import ALIAS, Caller, hold
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.elastic.text_values import MAX_ID_BYTES
from lsh_core.errors import (
    LeaseHeldError,
    LeaseLostError,
    SourceError,
    UnavailableError,
    VerificationError,
)
from lsh_core.live.build_types import fit_to_build
from lsh_core.live.change_writer import ID_COLUMN, VECTOR_COLUMN, ChangeWriter, WritableBuild, read_writable
from lsh_core.live.journal import Change, Entry, Journal
from lsh_core.live.live_fence import is_fenced, repair_live
from lsh_core.live.rows import KeyOf, Rows, as_table, rename_columns, upserts, valid_rows
from lsh_core.live.value_refusals import plain_refusal
from lsh_core.redaction import escape_non_utf8

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
_WRITER = Caller(None, "a writer of live changes")
_MAX_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Written:
    """What a call changed.

    Attributes
    ----------
    build
        The build that was live.
    changed
        Number of documents that were written or deleted.
    ignored
        Columns that the build has no field for; the journal keeps them for later builds.
    created
        Number of written documents that replaced no other. After a lost answer it may be too small.
    missing
        Number of ids to delete that the build did not have. After a lost answer it may be too large.
    """

    build: str
    changed: int
    ignored: tuple[str, ...] = ()
    created: int = 0
    missing: int = 0


class LiveWriter:
    """Upserts and deletes under one name. May be shared between threads.

    Parameters
    ----------
    wait_seconds
        How long a write waits for the end of a promotion, or for a shard.
    through
        Alias of the journal to append through.
    """

    def __init__(
        self, connection: Connection, name: str, *, wait_seconds: float = WAIT_SECONDS, through: str = CHANGES
    ) -> None:
        self._connection, self._name, self._wait_seconds, self._through = connection, name, wait_seconds, through
        self._journal: Journal | None = None
        self._known: WritableBuild | None = None
        self._lock = threading.Lock()

    @property
    def journal(self) -> Journal:
        """The journal of this name."""
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self._connection, self._name, through=self._through)
            return self._journal

    def live_build(self) -> WritableBuild:
        """Return the build that is live now.

        Raises
        ------
        NotFoundError
            Nothing is live under this name.
        """
        index = on_any_node(self._connection, lambda client: live_index(client, self._name))
        if index is None:
            raise nothing_live(self._name)
        with self._lock:
            if self._known is None or self._known.index != index:
                self._known = read_writable(self._connection, index)
            return self._known

    def upsert(
        self,
        rows: Rows,
        *,
        id_column: str | None = None,
        vector_column: str | None = None,
        partition: str | None = None,
        where: str = "rows",
        first_row: int = 0,
        refreshed: bool = False,
        key: KeyOf | None = None,
    ) -> Written:
        """Write whole documents; those with the same id are replaced, with all columns that the rows have.

        Of rows with one id the last wins. Once this returns, the rows outlive every rebuild.

        Parameters
        ----------
        where, first_row
            What errors call the rows' source, and the number of the first row in it.
        refreshed
            Whether searches must find the rows when this returns; else they do within a second or so.
        key
            Gives each row, by its number, its key in the journal: what was written under a key is not written again.

        Raises
        ------
        InputError
            A row cannot be indexed, or none in this process, as the model's backend is not installed; nothing is
            written.
        UnavailableError
            The rows are in the journal, but no live build took them in time; writing them again does no harm.
        """
        build = self.live_build()
        build.model.check_backend()
        table = as_table(rows, where, first_row)
        id_name, vector_name = id_column or build.meta.id_column, vector_column or build.field.column
        if not len(table):
            return Written(build.meta.build, 0)
        table = rename_columns(table, id=id_name, vector=vector_name, where=where)
        table = fit_to_build(table, build.meta.types, where, first_row)
        changes = upserts(table, build.field, partition=partition, where=where, first_row=first_row, key=key)
        known = {ID_COLUMN, VECTOR_COLUMN, id_name, vector_name, *build.fields}
        ignored = tuple(name for name in table.column_names if name not in known)
        if ignored:
            logger.warning("%s has no field for %s: later builds may", build.index, ", ".join(ignored))
        written, created = self._write(changes, refreshed=refreshed)
        return Written(written, len(changes), ignored, created=created)

    def check(self, table: pa.Table, *, id_column: str, vector_column: str, where: str, first_row: int) -> None:
        """Raise `InputError` unless `upsert` would take all of these rows; nothing is written."""
        if len(table):
            build = self.live_build()
            build.model.check_backend()
            own = rename_columns(table, id=id_column, vector=vector_column, where=where)
            valid_rows(fit_to_build(own, build.meta.types, where, first_row), build.field, where, first_row)

    def delete(self, ids: Iterable[Any], *, refreshed: bool = False) -> Written:
        """Delete documents; an id that is not there is no error.

        Parameters
        ----------
        ids
            Strings, or integers as they are in the sources: a list, or a column of Arrow or pandas.

        Raises
        ------
        SourceError
            One of them is no id; nothing is deleted.
        """
        if isinstance(ids, str | bytes):
            raise SourceError("ids", f"{ids[:40]!r} is one text; give a list of ids, such as [{ids[:40]!r}]")
        if isinstance(ids, Mapping) or not isinstance(ids, Iterable) or hasattr(ids, "columns"):
            raise SourceError("ids", f"{type(ids).__name__} is not a list of ids: give one such as ['a', 'b']")
        if isinstance(ids, np.ndarray) and ids.ndim != 1:
            raise SourceError(
                "ids", f"an array of {ids.ndim} dimensions is not a list of ids: give one of one dimension"
            )
        given = ids.to_pylist() if isinstance(ids, pa.Array | pa.ChunkedArray) else ids
        wanted = list(dict.fromkeys(_id_text(each) for each in given))
        if not wanted:
            return Written(self.live_build().meta.build, 0)
        self.live_build()  # Nothing is written under a name that is not there.
        changes = [Change(each, "delete") for each in wanted]
        written, missing = self._write(changes, refreshed=refreshed)
        return Written(written, len(changes) - missing, missing=missing)

    def _write(self, changes: Sequence[Change], *, refreshed: bool) -> tuple[str, int]:
        """Append, then apply; return the build, and for how many changes it had no document.

        What the build refuses is taken back.
        """
        entries = self._still_due(self.journal.append(changes))
        build, refused, absent = self._apply(entries)
        if refused:
            self.journal.forget([entry.key for entry, _ in refused])
            entry, reason = refused[0]
            where = f"{len(refused)} of {len(entries)} rows were refused by {build.index}, the others are written"
            raise SourceError(f"id {entry.id!r}", f"{plain_refusal(reason)}; {where}")
        if refreshed:
            on_any_node(self._connection, lambda client: refresh(client, build.index))
        return build.meta.build, absent

    def _still_due(self, entries: Sequence[Entry]) -> list[Entry]:
        """Leave out what an earlier try appended and others replaced since, maybe so long ago that no build knows."""
        earlier = [entry.id for entry in entries if entry.was_there]
        if not earlier:
            return list(entries)
        last = self.journal.last_positions(earlier, up_to=self.journal.barrier())
        return [entry for entry in entries if entry.effective_position >= last.get(entry.id, entry.effective_position)]

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write changes that are in the journal, whoever made them, into the live build.

        Raises
        ------
        VerificationError
            The build's mapping refuses a change. It stays in the journal; the others are written.
        UnavailableError
            No live build took them in time.
        """
        build, refused, _ = self._apply(entries)
        if refused:
            entry, reason = refused[0]
            raise VerificationError(
                build.index,
                f"live change of {entry.id!r}",
                f"the {entry.kind} at position {entry.effective_position}",
                f"{reason}; {len(refused)} of {len(entries)} changes were refused",
            ).with_note("Delete such ids, or write them again in a form that fits the build that is live.")

    def _apply(self, entries: Sequence[Entry]) -> tuple[WritableBuild, list[tuple[Entry, str]], int]:
        """Write changes until all are answered.

        Returns
        -------
        tuple
            The build, the changes that it refuses with the reasons, and for how many changes it had no document.
        """
        deadline = time.monotonic() + self._wait_seconds
        waiting, pause = list(entries), 0.05
        refused: dict[str, tuple[Entry, str]] = {}
        absent: set[str] = set()
        while True:
            build = self.live_build()
            outcome = ChangeWriter(self._connection, build, live_write_alias(build.index)).write(waiting)
            refused |= {entry.key: (entry, reason) for entry, reason in outcome.refused}
            absent |= outcome.absent
            waiting = outcome.waiting
            if not waiting:
                return build, list(refused.values()), len(absent)
            if time.monotonic() > deadline:
                what = f"the live build of {self._name}"
                raise UnavailableError(what, self._wait_seconds, outcome.reason)
            if outcome.alias_missing and pause >= _MAX_PAUSE_SECONDS:
                self._repair()
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def _repair(self) -> None:
        """Open the way into the live build again if a promotion died behind its fence; one that lives is waited for.

        The lease is taken only if there is such a fence: somebody who wants to promote would be refused meanwhile.
        """
        if not on_any_node(self._connection, lambda client: is_fenced(client, self._name)):
            return
        try:
            with hold(self._connection, self._name, ALIAS, _WRITER, outwait=False) as lease:
                repaired = on_any_node(self._connection, lambda client: repair_live(client, self._name, lease.epoch))
        except (LeaseHeldError, LeaseLostError):
            return
        if repaired:
            logger.warning("%s: opened for live changes again; a promotion had died", self._name)


def _id_text(identity: object) -> str:
    """Return an id as documents have it."""
    if isinstance(identity, bool) or not isinstance(identity, str | numbers.Integral):
        raise SourceError(
            "ids", f"{identity!r} is no id: it is a {type(identity).__name__}, not a string or an integer"
        )
    if not isinstance(identity, str) and abs(int(identity)) >= 10**MAX_ID_BYTES:
        raise SourceError("ids", f"a whole number of {int(identity).bit_length():,} bits is too long for an id")
    text = str(identity)
    size = len(text.encode(errors="replace"))
    if escape_non_utf8(text) != text:
        raise SourceError(
            "ids", f"{text[:40]!r} is no id: it is not Unicode text, as it holds half of a surrogate pair"
        )
    if not 0 < size <= MAX_ID_BYTES:
        raise SourceError("ids", f"{text[:40]!r} is no id: it must have 1 to {MAX_ID_BYTES} bytes")
    return text
