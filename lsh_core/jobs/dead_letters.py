"""Replays dead letters: rows that were refused go into their build after all, from a source that was corrected."""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lsh_core.elastic.cluster import answering_client, on_any_node, refresh
from lsh_core.elastic.leases import BUILD, Lease, hold, release
from lsh_core.errors import LoadError, SchemaError, SourceError
from lsh_core.indexing.corrections import CorrectionLoader, with_rows
from lsh_core.indexing.dead_letters import DeadLetter, read_dead_letters, write_dead_letters
from lsh_core.indexing.gate import close_gate, open_gate
from lsh_core.indexing.ledger import Ledger
from lsh_core.indexing.names import write_alias
from lsh_core.indexing.runs import RunStore
from lsh_core.jobs.services import Services
from lsh_core.jobs.span_task import build_sender
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.jobs.stages.verify import verify
from lsh_core.models.store import read_model
from lsh_core.settings import IndexSettings, ReplaySettings, validated
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.columns import check_columns
from lsh_core.sources.dataset import Dataset, open_dataset
from lsh_core.sources.identifiers import read_identifiers
from lsh_core.sources.reading import read_span

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 5_000
_SHOWN = 10

Letters = Mapping[str, list[DeadLetter]]


def replay_dead_letters(settings: ReplaySettings, services: Services) -> dict[str, Any]:
    """Load corrected rows in the place of refused ones, then verify the build and write its report again.

    Each row must have the id of a dead letter of the build; of several rows with one id the last counts. A row that
    is refused again stays a dead letter, with the new reason. A replay may be repeated, also with other
    corrections.

    Returns
    -------
    dict
        ``build``; ``replayed`` letters, those of an earlier replay of the same ids among them; ``still_refused``;
        ``unmatched`` letters that no row was given for, those without an id among them; the new ``report``.

    Raises
    ------
    SourceError
        Rows whose ids no dead letter has, or a column that the build has and the source lacks.
    LeaseHeldError
        Another run works on this index.
    VerificationError, DeadLetterLimitError
        As after a load; the rows are in, and the report says what is wrong.
    """
    client = answering_client(services.connection)
    record = _record(client, settings.name, settings.build)
    build = str(record["build"])
    planned = validated(IndexSettings, record["settings"])
    settings = settings.model_copy(
        update={"id": settings.id or planned.id, "vector": settings.vector or planned.vector}
    )
    caller = replace(services.caller, identity=services.caller.identity or secrets.token_hex(16))
    services = replace(services, caller=caller)
    try:
        with hold(services.connection, settings.name, BUILD, caller, build=build, release=False) as lease:
            result = _replay(settings, planned, build, services, lease)
        try:
            verify(planned, build, services)
        finally:
            report = summarise(planned, build, services)
    finally:
        release(services.connection, settings.name, BUILD, caller)
    return {"build": build, **result, "report": report}


def build_dead_letters(name: str, build: str | None, services: Services) -> list[DeadLetter]:
    """Return the dead letters of `build`, in source order; default: the latest build of `name`."""
    client = answering_client(services.connection)
    return list(read_dead_letters(client, str(_record(client, name, build)["build"])))


def _record(client: Elasticsearch, name: str, build: str | None) -> dict[str, Any]:
    runs = RunStore(client)
    return runs.latest(name) if build is None else runs.get(name, build)


def _replay(
    settings: ReplaySettings, planned: IndexSettings, build: str, services: Services, lease: Lease
) -> dict[str, Any]:
    """Load the corrected rows under the gate of this call's epoch."""
    client = answering_client(services.connection)
    plan = read_plan(planned, build, services)
    _require_loaded(plan, build, services)
    letters: defaultdict[str, list[DeadLetter]] = defaultdict(list)
    unmatched: set[str] = set()
    for letter in read_dead_letters(client, build, replayed=True):
        if letter.replayed_at is None:
            unmatched.add(letter.key)
        if letter.id:
            letters[letter.id].append(letter)
    dataset = _corrected_source(settings, plan)
    rows = _last_rows(settings, dataset, letters)
    open_gate(client, plan.index, build, lease.epoch)
    try:
        loader = _loader(settings, planned, plan, build, services, lease.epoch)
        replayed = refused = 0
        for table in _tables(settings, plan, dataset, rows, letters):
            lease.require()
            corrected = loader.load(table, letters)
            write_dead_letters(client, corrected.letters)
            replayed, refused = replayed + corrected.replayed, refused + corrected.refused
            unmatched -= {letter.key for letter in corrected.letters}
    finally:
        close_gate(answering_client(services.connection), plan.index, build, lease.epoch)
    refresh(client, plan.index)
    logger.info("replay: %d letters replayed, %d refused again, %d had no row", replayed, refused, len(unmatched))
    return {"replayed": replayed, "still_refused": refused, "unmatched": len(unmatched)}


def _require_loaded(plan: BuildPlan, build: str, services: Services) -> None:
    """Raise `LoadError` unless every chunk of the build is in the ledger."""
    client = answering_client(services.connection)
    chunks = plan.chunks()
    missing = len(chunks) - len(Ledger(client, ledger_key(client, plan, build)).done(plan.files, chunks))
    if missing:
        raise LoadError(plan.index, "replay", f"{missing} of {len(chunks)} chunks are not loaded yet: resume it first")


def _corrected_source(settings: ReplaySettings, plan: BuildPlan) -> Dataset:
    dataset = open_dataset(settings.source)
    columns = check_columns(dataset, id=str(settings.id), vector=str(settings.vector))
    if columns.dims != plan.vector.dims:
        raise SchemaError(
            settings.source, str(settings.vector), f"has vectors of {columns.dims} numbers, not {plan.vector.dims}"
        )
    for name in plan.fields:
        if name not in dataset.schema.names and name not in _partition_keys(plan):
            raise SchemaError(settings.source, name, "is missing; the build has it")
    return dataset


def _partition_keys(plan: BuildPlan) -> set[str]:
    return {key for file in plan.files for key, _ in file.partition_values}


def _last_rows(settings: ReplaySettings, dataset: Dataset, letters: Letters) -> dict[str, int]:
    """Return for each id of the corrected source the place of its last row there.

    Raises
    ------
    SourceError
        Some ids are no dead letter's.
    """
    last: dict[str, int] = {}
    strangers: dict[str, None] = {}
    for place, identity in _ids(str(settings.id), dataset):
        if identity is None or identity not in letters:
            strangers[str(identity)] = None
        else:
            last[identity] = place
    if strangers:
        shown = ", ".join(list(strangers)[:_SHOWN])
        raise SourceError(
            settings.source,
            f"{len(strangers)} ids are of no dead letter of this build: {shown}; "
            "`airlsh upsert` is for rows that are new or changed",
        )
    return last


def _ids(column: str, dataset: Dataset) -> Iterator[tuple[int, str | None]]:
    for chunk in plan_chunks(dataset.files, chunk_rows=_ROWS_AT_ONCE):
        for _, table in read_span(dataset.files[chunk.file], [chunk], [column]):
            yield from enumerate(read_identifiers(table.column(column)).ids, start=chunk.place)


def _tables(
    settings: ReplaySettings, plan: BuildPlan, dataset: Dataset, rows: Mapping[str, int], letters: Letters
) -> Iterator[pa.Table]:
    """Yield the corrected rows, of each id the last one, with all columns of the build."""
    wanted = np.array(sorted(rows.values()), np.int64)
    own = list(dict.fromkeys([str(settings.id), str(settings.vector), *plan.fields]))
    there = [name for name in own if name in dataset.schema.names]
    folders = {file.url: dict(file.partition_values) for file in plan.files}
    for chunk in plan_chunks(dataset.files, chunk_rows=_ROWS_AT_ONCE):
        for _, read in read_span(dataset.files[chunk.file], [chunk], there):
            kept = wanted[(wanted >= chunk.place) & (wanted < chunk.place + chunk.rows)] - chunk.place
            table = read.take(pa.array(kept, pa.int64()))
            sources = [
                letters[identity or ""][-1].source for identity in read_identifiers(table.column(str(settings.id))).ids
            ]
            for name in own:
                if name not in there:  # A folder of the build's source said it: so it does for the corrected row.
                    values = [folders[source].get(name) for source in sources]
                    table = table.append_column(name, pa.array(values, pa.string()))
            yield table


def _loader(
    settings: ReplaySettings, planned: IndexSettings, plan: BuildPlan, build: str, services: Services, epoch: int
) -> CorrectionLoader:
    connection = services.connection
    key = ledger_key(answering_client(connection), plan, build)
    chunks = plan.chunks()

    def update(number: int, places: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]) -> None:
        chunk = chunks[number]

        def write(client: Any) -> None:
            ledger = Ledger(client, key)
            (entry,) = ledger.entries(plan.files, [chunk])
            if entry is None:
                raise LoadError(plan.index, f"chunk {number}", "its ledger entry is gone")
            ledger.write(plan.files[chunk.file], with_rows(entry, places, hashes), chunk, epoch=epoch)

        on_any_node(connection, write, wait_seconds=planned.node_wait_seconds)

    return CorrectionLoader(
        replace(plan.load_plan(planned, build, connection.urls), id_column=str(settings.id)),
        str(settings.vector),
        read_model(connection, settings.name, plan.vector.model_id),
        build_sender(connection, write_alias(build, epoch), plan.index, planned.node_wait_seconds),
        update,
    )
