"""Replays dead letters: loads refused rows into their build from a corrected source."""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from lsh_core.builds.names import write_alias
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState
from lsh_core.builds.write_fence import allow_writes, fence_writes
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import BUILD, Lease, hold, release
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import LoadError, SourceError
from lsh_core.jobs.corrected_source import CorrectedSource, DeadLetters
from lsh_core.jobs.dask.span_task import build_sender
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.jobs.stages.verify import verify
from lsh_core.json_form import JsonForm
from lsh_core.live.partition_state import refreshed_partitions
from lsh_core.live.watermark import changed_ids, require_changes
from lsh_core.loading.dead_letter_replay import CorrectionLoader, with_rows
from lsh_core.loading.dead_letters import read_dead_letters, write_dead_letters
from lsh_core.loading.ledger import Ledger
from lsh_core.models.store import read_model
from lsh_core.settings import IndexSettings, ReplaySettings, validated
from lsh_core.sources.dead_letter import DeadLetter

logger = logging.getLogger(__name__)

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ReplayedDeadLetters(JsonForm):
    """Counts of dead letters and rows of a replay, by outcome.

    Attributes
    ----------
    replayed
        Dead letters replaced by a corrected row, by this replay or an earlier one with the same ids.
    still_refused
        Dead letters whose corrected row was refused again.
    unmatched
        Dead letters without a corrected row, including dead letters without an id.
    passed_over
        Rows of the source whose id has no dead letter.
    """

    replayed: int
    still_refused: int
    unmatched: int
    passed_over: int


@dataclass(frozen=True, kw_only=True)
class ReplayReport(ReplayedDeadLetters):
    """Report of a replay, with the new report of the build."""

    build: str
    report: IndexReport


@errors_named()
def replay_dead_letters(settings: ReplaySettings, services: Services) -> ReplayReport:
    """Load corrected rows in place of refused rows, then verify the build again.

    The report of the build is also written again.

    The source may be a few corrected rows, or the whole corrected source: rows whose id has no dead letter change
    nothing. Of several rows with one id the last counts. A row that is refused again stays a dead letter with the new
    reason. The rows of partitions that were refreshed since the build was planned stay dead letters as well. A replay
    may be repeated, also with other corrections.

    Raises
    ------
    SourceError
        No row has the id of a dead letter, or a column of the build is missing.
    LeaseHeldError
        Another run works on this index.
    VerificationError, DeadLetterLimitError
        As after a load. The rows are in the index, and the report names the fault.
    UnverifiedError
        The build is live and too busy to be verified now; the rows are in the index. Or the build can no longer be
        corrected.

    Examples
    --------
    >>> from lsh_core import ReplaySettings, find_services, replay_dead_letters
    >>> services = find_services("http://127.0.0.1:9200")
    >>> replay_dead_letters(ReplaySettings(name="packages", source="corrected.parquet"), services)
    Traceback (most recent call last):
    ...
    lsh_core.errors.SourceError: corrected.parquet: none of its 3 rows has the id of a dead letter of this build...
    """
    cluster = services.cluster
    record = _record(cluster, settings.name, settings.build)
    build = record.build
    planned = validated(IndexSettings, record.settings)
    settings = settings.model_copy(
        update={"id": settings.id or planned.id, "vector": settings.vector or planned.vector}
    )
    caller = replace(services.caller, id=services.caller.id or secrets.token_hex(16))
    services = replace(services, caller=caller)
    try:
        with hold(services.cluster, settings.name, BUILD, caller, build=build, release=False) as lease:
            replayed = _replay(settings, planned, build, services, lease)
        try:
            verify(planned, build, services)
        finally:
            report = summarise(planned, build, services)
    finally:
        release(services.cluster, settings.name, BUILD, caller)
    return ReplayReport(**asdict(replayed), build=build, report=report)


@errors_named()
def build_dead_letters(name: str, build: str | None, services: Services) -> list[DeadLetter]:
    """Return the dead letters of `build`, in source order; default: the latest build.

    Examples
    --------
    >>> from lsh_core import find_services, list_dead_letters
    >>> services = find_services("http://127.0.0.1:9200")
    >>> list_dead_letters("packages", None, services)
    []
    """
    cluster = services.cluster
    return list(read_dead_letters(cluster, _record(cluster, name, build).build))


def _record(cluster: Cluster, name: str, build: str | None) -> BuildRecord:
    runs = BuildRecords(cluster)
    return runs.latest(name) if build is None else runs.get(name, build)


def _replay(
    settings: ReplaySettings, planned: IndexSettings, build: str, services: Services, lease: Lease
) -> ReplayedDeadLetters:
    """Load the corrected rows under the write fence of this call's epoch."""
    cluster = services.cluster
    record = BuildRecords(cluster).get(settings.name, build)
    require_changes(cluster, record)
    plan = read_plan(planned, build, services)
    _require_loaded(plan, build, services)
    dead_letters = list(read_dead_letters(cluster, build, replayed=True))
    unmatched = {dead_letter.key for dead_letter in dead_letters if dead_letter.replayed_at is None}
    by_id = _by_id(cluster, settings, record, dead_letters, plan)
    source = CorrectedSource(settings, plan)
    rows, passed_over = source.last_rows(by_id)
    _unverify(cluster, record)
    allow_writes(cluster, plan.index, build, lease.epoch)
    try:
        loader = _loader(settings, planned, plan, record, services, lease.epoch)
        replayed = refused = 0
        for table in source.tables(rows, by_id):
            lease.require()
            corrected = loader.load(table, by_id)
            write_dead_letters(cluster, corrected.dead_letters)
            replayed, refused = replayed + corrected.replayed, refused + corrected.refused
            unmatched -= {dead_letter.key for dead_letter in corrected.dead_letters}
    finally:
        fence_writes(services.cluster, plan.index, build, lease.epoch)
    cluster.refresh(plan.index)
    logger.info("replay: %d dead letters replayed, %d refused again, %d had no row", replayed, refused, len(unmatched))
    return ReplayedDeadLetters(
        replayed=replayed, still_refused=refused, unmatched=len(unmatched), passed_over=passed_over
    )


def _by_id(
    cluster: Cluster,
    settings: ReplaySettings,
    record: BuildRecord,
    dead_letters: Sequence[DeadLetter],
    plan: BuildPlan,
) -> DeadLetters:
    """Return the dead letters of each id.

    Partitions that were refreshed since the build was planned are left out. Such a partition holds exactly the rows
    that its refresh read, so a missing row must not return.
    """
    partitions = {
        dead_letter.key: plan.partition_of(dead_letter.source) for dead_letter in dead_letters if dead_letter.id
    }
    refreshed = refreshed_partitions(
        cluster, settings.name, {each for each in partitions.values() if each is not None}, after=record.planned_at
    )
    by_id: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    for dead_letter in dead_letters:
        if dead_letter.id and partitions[dead_letter.key] not in refreshed:
            by_id[dead_letter.id].append(dead_letter)
    if refreshed:
        named = ", ".join(sorted(refreshed)[:_SHOWN])
        reason = f"since this build was planned {named} were refreshed, and hold what the refreshes read"
        if not by_id:
            raise SourceError(settings.source, f"{reason}: refresh them from the corrected source")
        logger.warning("replay: dead letters are skipped: %s", reason)
    return by_id


def _unverify(cluster: Cluster, record: BuildRecord) -> None:
    """Clear the verification of a build before rows are added.

    So a replay that is killed leaves an unverified build. The build is not failed either: a repeated replay, or a
    resumed run, verifies it again.
    """
    if record.was_verified:
        BuildRecords(cluster).record_state(record.build, BuildState.CORRECTED)


def _require_loaded(plan: BuildPlan, build: str, services: Services) -> None:
    """Raise `LoadError` unless every chunk of the build is in the ledger."""
    cluster = services.cluster
    chunks = plan.chunks()
    missing = len(chunks) - len(Ledger(cluster, ledger_key(cluster, plan, build)).done(plan.files, chunks))
    if missing:
        raise LoadError(plan.index, "replay", f"{missing} of {len(chunks)} chunks are not loaded yet: resume it first")


def _loader(
    settings: ReplaySettings,
    planned: IndexSettings,
    plan: BuildPlan,
    record: BuildRecord,
    services: Services,
    epoch: int,
) -> CorrectionLoader:
    cluster, build = services.cluster.waiting(planned.node_wait_seconds), record.build
    ledger, chunks = Ledger(cluster, ledger_key(cluster, plan, build)), plan.chunks()

    def update(number: int, row_numbers: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]) -> None:
        chunk = chunks[number]

        (entry,) = ledger.entries(plan.files, [chunk])
        if entry is None:
            raise LoadError(plan.index, f"chunk {number}", "its ledger entry is gone")
        ledger.write(plan.files[chunk.file], with_rows(entry, row_numbers, hashes), chunk, epoch=epoch)

    return CorrectionLoader(
        replace(plan.load_plan(planned, build, cluster.urls), id_column=str(settings.id)),
        str(settings.vector),
        read_model(services.cluster, settings.name, plan.vector.model_id),
        build_sender(services.cluster, write_alias(build, epoch), plan.index, planned.node_wait_seconds),
        update,
        partial(changed_ids, services.cluster, settings.name, watermark=record.watermark.position),
        plan.partition_of,
    )
