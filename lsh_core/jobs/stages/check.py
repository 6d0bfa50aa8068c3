"""Check: finds detectable faults before any work is done."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from lsh_core.builds.aliases import live_index, moved_away
from lsh_core.builds.field_limits import check_nested_names
from lsh_core.builds.field_types import fields_for, parse_overrides
from lsh_core.builds.mapping import check_vector_column
from lsh_core.builds.names import physical_index
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState
from lsh_core.builds.stage_facts import CheckFacts
from lsh_core.choices import listed
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Lease
from lsh_core.elastic.server_check import check_server
from lsh_core.elastic.system_indices import MAPPINGS, ensure_system_index
from lsh_core.errors import ModelMismatchError, SourceError
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.jobs.stages.draft import check_index
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.live.journal import Journal
from lsh_core.live.watermark import source_watermark
from lsh_core.loading.purge import purge_expired_dead_letters
from lsh_core.models.store import find_model
from lsh_core.settings import IndexSettings

if TYPE_CHECKING:
    from lsh_core.models.store import StoredModel
    from lsh_core.sources.columns import SourceColumns
    from lsh_core.sources.dataset import Dataset

logger = logging.getLogger(__name__)


@stage
def check(settings: IndexSettings, build: str, services: Services, lease: Lease) -> CheckFacts:
    """Check servers, source, columns and model, and start the record of the build.

    Raises
    ------
    InputError
        The source, a column or the model is not usable.
    ServerError
        Elasticsearch or Dask is not usable.
    PromotionConflictError
        The build is resumed with promotion, and another build was promoted since it was planned.
    """
    cluster = services.cluster
    runs = BuildRecords(cluster)
    record = runs.find(settings.name, build)
    if record is None:
        _warn_of_unfinished(runs, settings.name)
    elif settings.promote:
        _require_promotable(cluster, record)
    up_to = Journal(services.cluster, settings.name).barrier()  # Before the source is looked at.
    dataset, columns = read_source(settings, record)
    if not dataset.rows:
        raise SourceError(settings.source, "has no rows")
    overrides = parse_overrides(settings.field_type)
    check_nested_names(settings.source, columns.others)
    fields = fields_for(
        settings.source, columns.others, vector=settings.vector, text=settings.text_field, overrides=overrides
    )
    facts = check_server(services.cluster)
    for index in MAPPINGS:
        ensure_system_index(cluster, index)
    purge_expired_dead_letters(cluster)
    live = live_index(cluster, settings.name)
    stored = find_model(cluster, settings.name, _planned_model(settings, build, record))
    require_same_space(settings, columns, stored)
    check_index(cluster, settings, build, stored, fields, rows=dataset.rows, nodes=facts.data_nodes)
    watermark = (
        source_watermark(services.cluster, settings.name, settings.source_as_of, live, up_to)
        if record is None
        else record.watermark
    )
    with dask_client(services) as dask:
        workers, threads = worker_threads(dask)
    runs.start(
        settings.name,
        build,
        index=physical_index(settings.name, build),
        state=record.state if record is not None and record.was_verified else BuildState.PLANNED,
        model_id=stored.model_id,
        settings=settings.model_dump(mode="json"),
        # A retry or a resumed run keeps the index that was live when the run first started.
        expected_live=live if record is None else record.expected_live,
        watermark=watermark,
        # A table may get new commits: a retry, and every later stage, reads this version.
        source_version=dataset.version,
    )
    return CheckFacts(
        **asdict(dataset.facts()),
        rows=dataset.rows,
        files=len(dataset.files),
        columns_left_out=columns.left_out,
        dims=columns.dims,
        model_id=stored.model_id,
        elasticsearch=", ".join(facts.versions),
        data_nodes=facts.data_nodes,
        workers=workers,
        worker_threads=threads,
        live=live,
        source_as_of=watermark.time,
    )


def _require_promotable(cluster: Cluster, record: BuildRecord) -> None:
    """Raise `PromotionConflictError` if the promotion of a resumed build would be refused at the end of its run."""
    name, build = record.name, record.build
    live = live_index(cluster, name)
    if live in (record.expected_live, record.index):
        return
    promote = f"airlsh builds promote {name} --build {build}"
    if record.was_verified:
        remedy = f"Build {build} is verified. If it is to replace what is live now: {promote}"
    else:
        finish = f"airlsh index {name} --resume {build} --no-promote"
        remedy = f"To finish build {build} all the same: {finish}; then: {promote}"
    raise moved_away(name, record.expected_live, live).with_note(remedy)


def _warn_of_unfinished(runs: BuildRecords, name: str) -> None:
    """Log the other builds of `name` that were not finished. The lease excludes a run that still works on one."""
    unfinished = [record for record in runs.of(name) if not record.was_verified]
    if unfinished:
        newest = unfinished[0].build
        logger.warning(
            "%s has unfinished builds: %s; `airlsh index %s --resume %s` resumes one, "
            "`airlsh builds abandon %s --build %s` deletes it",
            name,
            listed([f"{record.build} ({record.state})" for record in unfinished]),
            *(name, newest) * 2,
        )


def read_source(settings: IndexSettings, record: BuildRecord | None) -> tuple[Dataset, SourceColumns]:
    """Open the source of `settings` and check its columns.

    Parameters
    ----------
    record
        Record of the build, with the version of the table at the start of its run; None before there is a record.
    """
    from lsh_core.sources.columns import check_columns
    from lsh_core.sources.dataset import open_dataset

    dataset = open_dataset(settings.source, (record and record.source_version) or settings.source_version)
    columns = check_columns(dataset, id=settings.id, vector=settings.vector, columns=settings.columns)
    check_vector_column(settings.source, settings.vector, columns.dims)
    return dataset, columns


def _planned_model(settings: IndexSettings, build: str, record: BuildRecord | None) -> str | None:
    """Return the model to use.

    A build that was planned before keeps its model, even if a newer model was trained since.
    """
    if record is None or record.plan is None:
        return settings.model_id
    if settings.model_id not in (None, record.model_id):
        raise ModelMismatchError(f"model {record.model_id}", f"{settings.model_id}", f"build {build}")
    return record.model_id


def require_same_space(settings: IndexSettings, columns: SourceColumns, stored: StoredModel) -> None:
    """Raise `ModelMismatchError` if the model and the vectors differ in length or encoder."""
    from lsh_core.sources.encoder_info import require_encoder

    where = f"{settings.source} column {settings.vector!r}"
    # First, because another encoder may be the cause of another length.
    require_encoder(columns.encoder, stored.facts.get("encoder"), of=f"model {stored.model_id}", where=where)
    if columns.dims != stored.dims:
        raise ModelMismatchError(
            f"vectors of {stored.dims} numbers (model {stored.model_id})",
            f"vectors of {columns.dims} numbers",
            where,
        )
