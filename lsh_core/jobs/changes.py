"""Upsert and delete: live changes from Parquet files, or of ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import SettingsError
from lsh_core.jobs.services import Services
from lsh_core.live.live_writer import LiveWriter
from lsh_core.progress import progress
from lsh_core.settings import DeleteSettings, UpsertSettings


@errors_named()
def upsert(settings: UpsertSettings, services: Services) -> dict[str, Any]:
    """Write the rows of the source into the live build, and into every later one.

    Rows go in parts of some thousands, in source order. A row that cannot be indexed ends the call, with nothing of
    its part written; the parts before it stay written.

    Returns
    -------
    dict
        ``name, build, upserted, created, replaced, ignored_columns, source_format, source_version, left_out,
        left_out_names``; ``upserted`` rows are ``created`` and ``replaced`` documents.

    Raises
    ------
    InputError
        The source or a row of it cannot be used, its vectors are of another encoder, or nothing is live under the name.
    UnavailableError
        No live build took the rows in time; repeat the call.
    """
    from lsh_core.sources.batches import read_batches
    from lsh_core.sources.columns import check_columns
    from lsh_core.sources.dataset import open_dataset
    from lsh_core.sources.encoder_info import require_encoder

    writer = LiveWriter(services.connection, settings.name)
    build = writer.live_build()
    id_column, vector = settings.id or build.meta.id_column, settings.vector or build.field.column
    dataset = open_dataset(settings.source, settings.source_version)
    columns = check_columns(dataset, id=id_column, vector=vector)
    require_encoder(columns.encoder, build.field.encoder, of=f"index {build.index}", where=settings.source)
    changed = created = 0
    live = build.meta.build
    ignored: dict[str, None] = {}
    with progress("upsert", total=dataset.rows) as meter:
        for file, first_row, table in read_batches(
            dataset.files, dataset.names_with({id_column, vector, *build.fields})
        ):
            written = writer.upsert(
                table,
                id_column=id_column,
                vector_column=vector,
                partition=file.partition,
                where=file.url,
                first_row=first_row,
                refreshed=settings.refresh,
            )
            changed, created, live = changed + written.changed, created + written.created, written.build
            ignored |= dict.fromkeys(written.ignored)
            meter.advance(len(table))
    return {
        "name": settings.name,
        "build": live,
        "upserted": changed,
        "created": created,
        "replaced": changed - created,
        "ignored_columns": list(ignored),
        **dataset.facts(),
    }


@errors_named()
def delete(settings: DeleteSettings, services: Services) -> dict[str, Any]:
    """Delete documents from the live build, and from every later one.

    Returns
    -------
    dict
        ``name, build, deleted, missing``: documents that were there and were deleted, and ids that were not there.

    Raises
    ------
    InputError
        No ids were given, or both ways; an id that is none; nothing is live under the name.
    """
    if bool(settings.ids) == bool(settings.ids_from):
        both = "not both" if settings.ids else "or nothing is deleted"
        raise SettingsError("ids", list(settings.ids), f"give either ids (--ids, --exact-id) or --ids-from, {both}")
    if settings.source_version is not None and not settings.ids_from:
        raise SettingsError("source_version", settings.source_version, "is of --ids-from, which is not given")
    writer = LiveWriter(services.connection, settings.name)
    deleted = missing = 0
    live = writer.live_build().meta.build
    column = settings.id or writer.live_build().meta.id_column
    parts = (
        _ids_from(settings.ids_from, column, settings.source_version)
        if settings.ids_from
        else iter([list(settings.ids)])
    )
    for ids in parts:
        written = writer.delete(ids, refreshed=settings.refresh)
        deleted, missing, live = deleted + written.changed, missing + written.missing, written.build
    return {"name": settings.name, "build": live, "deleted": deleted, "missing": missing}


def _ids_from(source: str, column: str, version: str | None) -> Iterator[list[str]]:
    """Yield the ids in a column of a Parquet source."""
    from lsh_core.errors import SourceError
    from lsh_core.sources.batches import read_batches
    from lsh_core.sources.columns import check_id
    from lsh_core.sources.dataset import open_dataset
    from lsh_core.sources.identifiers import read_identifiers

    dataset = open_dataset(source, version)
    check_id(dataset, column)
    with progress("delete", total=dataset.rows) as meter:
        for file, first_row, table in read_batches(dataset.files, [column]):
            found = read_identifiers(table.column(column))
            for row, (_, reason) in found.refused.items():
                raise SourceError(file.url, f"row {first_row + row}: {reason}")
            yield [each for each in found.ids if each is not None]
            meter.advance(len(table))
