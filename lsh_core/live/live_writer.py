"""Writes live changes: into the journal first, then into the live build."""

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
from lsh_core.elastic.cluster import Cluster
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
    """Outcome of an upsert or a delete.

    Attributes
    ----------
    build
        Build that was live.
    changed
        Number of documents written or deleted.
    ignored
        Columns without a field in the build. The journal keeps them for later builds.
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
    """Upserts and deletes under one index name; safe to share between threads.

    Parameters
    ----------
    wait_seconds
        Seconds that a write waits for the end of a promotion, or for a shard.
    through
        Alias of the journal to append through.
    """

    def __init__(
        self, cluster: Cluster, name: str, *, wait_seconds: float = WAIT_SECONDS, through: str = CHANGES
    ) -> None:
        self._cluster, self._name, self._wait_seconds, self._through = cluster, name, wait_seconds, through
        self._journal: Journal | None = None
        self._known: WritableBuild | None = None
        self._lock = threading.Lock()

    @property
    def journal(self) -> Journal:
        """Journal of the name."""
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self._cluster, self._name, through=self._through)
            return self._journal

    def live_build(self) -> WritableBuild:
        """Return the live build.

        Raises
        ------
        NotFoundError
            No build of this name is live.
        """
        index = live_index(self._cluster, self._name)
        if index is None:
            raise nothing_live(self._name)
        with self._lock:
            if self._known is None or self._known.index != index:
                self._known = read_writable(self._cluster, index)
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
        """Write whole documents; a document replaces the document with the same id.

        A document has all columns of its row. Of rows with one id the last wins. When the function returns, the rows
        survive every rebuild.

        Parameters
        ----------
        where, first_row
            Name of the source in errors, and the number of the first row in it.
        refreshed
            Whether searches must find the rows when the function returns. Otherwise they find them within about a
            second.
        key
            Returns the journal key of a row, from the row number. A key that was written before is not written again.

        Raises
        ------
        InputError
            A row cannot be indexed, or the backend of the model is not installed in this process. Nothing is written.
        UnavailableError
            The rows are in the journal, but no live build accepted them in time. Repeating the call is harmless.
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
        """Raise `InputError` unless `upsert` would accept all these rows.

        Nothing is written.
        """
        if len(table):
            build = self.live_build()
            build.model.check_backend()
            own = rename_columns(table, id=id_column, vector=vector_column, where=where)
            valid_rows(fit_to_build(own, build.meta.types, where, first_row), build.field, where, first_row)

    def delete(self, ids: Iterable[Any], *, refreshed: bool = False) -> Written:
        """Delete documents; a missing id is not an error.

        Parameters
        ----------
        ids
            Strings or integers, as in the sources: a list, or a column of Arrow or pandas.

        Raises
        ------
        SourceError
            A value is not an id. Nothing is deleted.
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
        self.live_build()  # Nothing is written under a name without a live build.
        changes = [Change(each, "delete") for each in wanted]
        written, missing = self._write(changes, refreshed=refreshed)
        return Written(written, len(changes) - missing, missing=missing)

    def _write(self, changes: Sequence[Change], *, refreshed: bool) -> tuple[str, int]:
        """Append and apply changes; return the build, and the number of changes without a document before.

        Changes that the build refuses are removed from the journal.
        """
        entries = self._still_due(self.journal.append(changes))
        build, refused, absent = self._apply(entries)
        if refused:
            self.journal.forget([entry.key for entry, _ in refused])
            entry, reason = refused[0]
            where = f"{len(refused)} of {len(entries)} rows were refused by {build.index}, the others are written"
            raise SourceError(f"id {entry.id!r}", f"{plain_refusal(reason)}; {where}")
        if refreshed:
            self._cluster.refresh(build.index)
        return build.meta.build, absent

    def _still_due(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries that are still the last of their id.

        An earlier try may have appended an entry that a later change has replaced, maybe so long ago that no build
        knows.
        """
        earlier = [entry.id for entry in entries if entry.was_there]
        if not earlier:
            return list(entries)
        last = self.journal.last_positions(earlier, up_to=self.journal.barrier())
        return [entry for entry in entries if entry.effective_position >= last.get(entry.id, entry.effective_position)]

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write journal entries of any writer into the live build.

        Raises
        ------
        VerificationError
            The mapping of the build refuses a change. The change stays in the journal; the others are written.
        UnavailableError
            No live build accepted the changes in time.
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
            outcome = ChangeWriter(self._cluster, build, live_write_alias(build.index)).write(waiting)
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
        """Open the live build if a promotion died behind its fence.

        The lease is requested only if there is a fence, because it would keep another promotion out. A promotion that
        is alive holds the lease, and its fence stays.
        """
        if not is_fenced(self._cluster, self._name):
            return
        try:
            with hold(self._cluster, self._name, ALIAS, _WRITER, outwait=False) as lease:
                repaired = repair_live(self._cluster, self._name, lease.epoch)
        except (LeaseHeldError, LeaseLostError):
            return
        if repaired:
            logger.warning("%s: removed the fence of a promotion that died", self._name)


def _id_text(id: object) -> str:
    """Return an id as text, as documents store it."""
    if isinstance(id, bool) or not isinstance(id, str | numbers.Integral):
        raise SourceError("ids", f"{id!r} is not an id: it is a {type(id).__name__}, not a string or an integer")
    if not isinstance(id, str) and abs(int(id)) >= 10**MAX_ID_BYTES:
        raise SourceError("ids", f"a whole number of {int(id).bit_length():,} bits is too long for an id")
    text = str(id)
    size = len(text.encode(errors="replace"))
    if escape_non_utf8(text) != text:
        raise SourceError(
            "ids", f"{text[:40]!r} is not an id: it is not Unicode text, as it holds half of a surrogate pair"
        )
    if not 0 < size <= MAX_ID_BYTES:
        raise SourceError("ids", f"{text[:40]!r} is not an id: it must have 1 to {MAX_ID_BYTES} bytes")
    return text
