"""Refresh: make one partition match its source, in the live build.

Later builds receive the same changes through the journal.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import asdict, dataclass, field, replace

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.builds.records import BuildRecord, BuildRecords
from lsh_core.choices import choice_of
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Lease, hold
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import SourceChangedError, SourceError, SourceMissingError, VerificationError
from lsh_core.jobs.services import Services
from lsh_core.live.change_writer import WritableBuild
from lsh_core.live.journal import Change, Entry
from lsh_core.live.live_writer import LiveWriter
from lsh_core.live.partition_fence import fenced_journal_alias
from lsh_core.live.partition_state import PartitionState, PartitionStore
from lsh_core.live.partition_sweep import sweep
from lsh_core.live.pending_changes import pending_changes
from lsh_core.partitions import levels_of
from lsh_core.progress import progress
from lsh_core.settings import RefreshSettings
from lsh_core.sources.reading import check_unchanged
from lsh_core.sources.source_facts import SourceFacts
from lsh_core.sources.source_file import SourceFile

logger = logging.getLogger(__name__)

_MOVES = 3
"""Maximum number of repeated listings of a table, after commits before the first written row."""


@dataclass(frozen=True)
class _Source:
    """Files of one partition, and the columns to read."""

    files: tuple[SourceFile, ...]
    columns: tuple[str, ...]
    id: str
    vector: str
    facts: SourceFacts = field(default_factory=SourceFacts)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def is_table(self) -> bool:
        """True if a table log lists the files, not a folder."""
        return self.facts.source_version is not None

    @property
    def fingerprint(self) -> str:
        """Hash of the files; it changes when a file is added, removed or rewritten."""
        facts = [(file.url, file.size, file.version, file.row_group_rows) for file in self.files]
        return hashlib.sha256(repr((facts, self.columns, self.id, self.vector)).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RefreshReport(SourceFacts):
    """Report of a refresh.

    Attributes
    ----------
    build
        Live build.
    generation
        Number of refreshes of the partition so far.
    rows
        Rows of the source.
    upserted, deleted
        Documents written and deleted; after a kill, by the last try only.
    unchanged
        Whether nothing was done because the same files were refreshed before.
    """

    name: str
    partition: str
    build: str
    generation: int
    rows: int
    upserted: int
    deleted: int
    unchanged: bool
    seconds: float


@errors_named()
def refresh_partition(settings: RefreshSettings, services: Services) -> RefreshReport:
    """Upsert the rows of the partition's source, and delete documents that left it.

    All rows are checked before the first is written. A refresh that was killed is resumed if the files are the same. A
    finished refresh of the same files does nothing, unless it is forced. A document that was written after the refresh
    began keeps its content, whatever the source has. A document that moved to another partition is not touched.

    Raises
    ------
    InputError
        The source lacks the partition, or has no rows of it; or a row cannot be indexed.
    LeaseHeldError
        Another run refreshes this partition.
    SourceChangedError
        A file was changed during the read, or added before the first row was written. The next refresh repairs this.

    Examples
    --------
    >>> from lsh_core import RefreshSettings, find_services, refresh
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = refresh(RefreshSettings(name="packages", source="partitions", partition="section=web"), services)
    """
    started = time.monotonic()
    writer = LiveWriter(services.cluster, settings.name)
    live = writer.live_build()
    source = _open(settings, live)
    scope = f"partition:{settings.partition}"
    with hold(services.cluster, settings.name, scope, services.caller, watch=True) as lease:
        store = PartitionStore(services.cluster, settings.name, settings.partition, epoch=lease.epoch)
        known = store.last is not None and store.last.done and store.last.fingerprint == source.fingerprint
        unchanged = known and not settings.again
        upserted = deleted = 0
        if not unchanged:
            _check_rows(settings, source, writer)
            with fenced_journal_alias(services.cluster, store.digest, lease.epoch) as alias:
                writer = LiveWriter(services.cluster, settings.name, through=alias)
                state = _begin(store, source, writer)
                for _ in range(_MOVES):
                    if not source.is_table or (now := _open(settings, live)).fingerprint == source.fingerprint:
                        break
                    source = now  # The table has a new commit, and nothing is written yet.
                    _check_rows(settings, source, writer)
                    state = _begin(store, source, writer)
                _check_listing(settings, source, _open(settings, live))
                upserted = _upsert(settings, source, state, writer, lease)
                deleted = _delete_departed(state, services, writer, lease)
                store.update(done=True, rows=source.rows)
    build = writer.live_build()
    services.cluster.refresh(build.index)
    return RefreshReport(
        **asdict(source.facts),
        name=settings.name,
        partition=settings.partition,
        build=build.meta.build,
        generation=store.last.generation if store.last is not None else 0,
        rows=source.rows,
        upserted=upserted,
        deleted=deleted,
        unchanged=unchanged,
        seconds=round(time.monotonic() - started, 1),
    )


def _open(settings: RefreshSettings, build: WritableBuild) -> _Source:
    """Find the files of the partition.

    Files without ``key=value`` folders all belong to it. The files of other partitions are not opened, so their faults
    do not stop the refresh.
    """
    from lsh_core.sources.columns import check_columns
    from lsh_core.sources.dataset import open_files
    from lsh_core.sources.encoder_info import require_encoder
    from lsh_core.sources.source_files import source_files

    id_column, vector = settings.id or build.meta.id_column, settings.vector or build.field.column
    try:
        listed = source_files(settings.source, settings.source_version)
    except SourceMissingError:
        if settings.allow_empty:
            return _Source((), (), id_column, vector)
        raise
    if there := sorted(listed.partitions):
        listed = listed.of_partition(settings.partition)
        if settings.partition not in there and not settings.allow_empty:
            raise SourceError(
                settings.source, f"has no partition {settings.partition!r}: {choice_of(settings.partition, there)}"
            )
    dataset = open_files(settings.source, listed)
    if dataset.rows:  # The columns of an empty table have no types.
        checked = check_columns(dataset, id=id_column, vector=vector)
        require_encoder(checked.encoder, build.field.encoder, of=f"index {build.index}", where=settings.source)
    columns = dataset.names_with({id_column, vector, *build.fields})
    files = dataset.files
    if not there:
        levels = levels_of(settings.partition.split("/"))
        added = tuple((key, value) for key, value in levels if key not in columns)
        files = tuple(replace(file, partition_values=added) for file in files)
        columns = [*columns, *(key for key, _ in added)]
    found = _Source(files, tuple(columns), id_column, vector, dataset.facts())
    if not found.rows and not settings.allow_empty:
        raise SourceError(
            settings.source,
            f"has no rows of partition {settings.partition!r}; --allow-empty deletes all documents of it",
        )
    return found


def _check_rows(settings: RefreshSettings, source: _Source, writer: LiveWriter) -> None:
    from lsh_core.sources.batches import read_batches

    with progress("check", total=source.rows) as meter:
        for file, first_row, table in read_batches(source.files, source.columns):
            writer.check(table, id_column=source.id, vector_column=source.vector, where=file.url, first_row=first_row)
            meter.advance(len(table))


def _begin(store: PartitionStore, source: _Source, writer: LiveWriter) -> PartitionState:
    state = store.begin(source.fingerprint)
    if state.begin is None:
        mark = Change(state.partition, "mark", partition=state.partition, key=state.key("begin"))
        state = store.update(begin=writer.journal.append([mark])[0].effective_position)
    return state


def _check_listing(settings: RefreshSettings, source: _Source, now: _Source) -> None:
    """Raise `SourceChangedError` unless the partition still has the same files.

    A build that was planned before this refresh began may hold rows of files added since the first listing. The sweep
    at the end would delete them.
    """
    if now.fingerprint != source.fingerprint:
        planned, found = (f"{len(each.files):,} files, {each.rows:,} rows" for each in (source, now))
        raise SourceChangedError(settings.source, planned, found)


def _upsert(settings: RefreshSettings, source: _Source, state: PartitionState, writer: LiveWriter, lease: Lease) -> int:
    from lsh_core.sources.batches import read_batches

    upserted = 0
    with progress("upsert", total=source.rows) as meter:
        for file, first_row, table in read_batches(source.files, source.columns):
            lease.require()
            upserted += writer.upsert(
                table,
                id_column=source.id,
                vector_column=source.vector,
                partition=settings.partition,
                where=file.url,
                first_row=first_row,
                key=lambda row, url=file.url: state.key(url, row),  # type: ignore[misc]
            ).changed
            meter.advance(len(table))
    for file in source.files:
        check_unchanged(file)
    return upserted


def _delete_departed(state: PartitionState, services: Services, writer: LiveWriter, lease: Lease) -> int:
    """Journal a sweep of the partition, then apply its deletes to the live build.

    This is repeated until the live build is the same before and after it.
    """
    end = Change(
        state.partition, "sweep", partition=state.partition, effective_position=state.begin, key=state.key("end")
    )
    (own,) = writer.journal.append([end])
    deleted = 0
    with progress("delete", unit="documents") as meter:
        while True:
            build = writer.live_build()
            record = _record(services.cluster, build)
            planned_at = BEFORE_ALL if record is None else record.planned_at
            position, sweeps = _catch_up(record, writer, lease)
            missed = [entry for entry in sweeps if entry.effective_position > planned_at and entry != own]
            for entry in (own, *missed):
                for deletes in sweep(services.cluster, writer.journal, build.index, entry, planned_at=planned_at):
                    lease.require()
                    writer.apply(deletes)
                    deleted += len(deletes) if entry == own else 0
                    meter.advance(len(deletes))
            if writer.live_build().index == build.index:
                BuildRecords(services.cluster).record_replay(build.meta.build, position)
                return deleted


def _record(cluster: Cluster, build: WritableBuild) -> BuildRecord | None:
    """Return the last acknowledged record of `build`.

    An old state would hide finished replays.
    """
    return BuildRecords(cluster).find(build.meta.name, build.meta.build, as_acknowledged=True)


def _catch_up(record: BuildRecord | None, writer: LiveWriter, lease: Lease) -> tuple[JournalPosition, list[Entry]]:
    """Apply journal entries that the live build may lack, according to its record.

    A writer may die between the journal and the build. Refused changes are logged and left to their writer.

    Returns
    -------
    tuple
        The end of the journal, and the sweeps in it. They come from refreshes that died, or that ended while another
        build was live.
    """
    after, watermark = (BEFORE_ALL, BEFORE_ALL) if record is None else (record.replayed_to, record.watermark.position)
    position = writer.journal.barrier()
    sweeps: list[Entry] = []
    for page, changes in pending_changes(writer.journal, after, position, watermark):
        lease.require()
        try:
            writer.apply(changes)
        except VerificationError as refused:
            # No caller was told that this change is written: its writer died, or is about to withdraw it.
            logger.warning("%s; the change stays in the journal, and every later build must accept it", refused)
        sweeps += [entry for entry in page if entry.kind == "sweep"]
    return position, sweeps
