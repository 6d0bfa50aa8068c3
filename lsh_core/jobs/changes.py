"""Upsert and delete: live changes from Parquet files or ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import SettingsError
from lsh_core.jobs.services import Services
from lsh_core.json_form import JsonForm
from lsh_core.live.live_writer import LiveWriter
from lsh_core.progress import progress
from lsh_core.settings import DeleteSettings, UpsertSettings
from lsh_core.sources.source_facts import SourceFacts


@dataclass(frozen=True, kw_only=True)
class UpsertReport(SourceFacts):
    """Report of an upsert.

    Attributes
    ----------
    build
        Build that took the last rows.
    upserted
        Number of documents written.
    created, replaced
        Number of written documents that were new, and that replaced one of the same id.
    ignored_columns
        Columns of the source without a field in the build.
    """

    name: str
    build: str
    upserted: int
    created: int
    replaced: int
    ignored_columns: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class DeleteReport(JsonForm):
    """Report of a delete.

    Attributes
    ----------
    build
        Build that lost the last documents.
    deleted
        Number of documents deleted.
    missing
        Number of ids that the build did not have.
    """

    name: str
    build: str
    deleted: int
    missing: int


@errors_named()
def upsert(settings: UpsertSettings, services: Services) -> UpsertReport:
    """Write the rows of the source into the live build and every later build.

    Rows are written in batches of some thousands, in source order. A row that cannot be indexed ends the call. Nothing
    of its batch is written; earlier batches stay written.

    Raises
    ------
    InputError
        The source or a row cannot be used, the vectors are from another encoder, or no build of the name is live.
    UnavailableError
        No live build accepted the rows in time; repeat the call.

    Examples
    --------
    >>> from lsh_core import UpsertSettings, find_services, upsert
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = upsert(UpsertSettings(name="packages", source="corrected.parquet"), services)
    """
    from lsh_core.sources.batches import read_batches
    from lsh_core.sources.columns import check_columns
    from lsh_core.sources.dataset import open_dataset
    from lsh_core.sources.encoder_info import require_encoder

    writer = LiveWriter(services.cluster, settings.name)
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
    return UpsertReport(
        **asdict(dataset.facts()),
        name=settings.name,
        build=live,
        upserted=changed,
        created=created,
        replaced=changed - created,
        ignored_columns=list(ignored),
    )


@errors_named()
def delete(settings: DeleteSettings, services: Services) -> DeleteReport:
    """Delete documents from the live build and from every later build.

    Raises
    ------
    InputError
        There are no ids, or ids and a source of ids; an id is invalid; or no build of the name is live.

    Examples
    --------
    >>> from lsh_core import DeleteSettings, delete, find_services
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = delete(DeleteSettings(name="packages", ids=("inkscape",), refresh=True), services)
    """
    given = [*settings.ids, *settings.exact_id]
    if bool(given) == bool(settings.ids_from):
        both = "not both" if given else "or nothing is deleted"
        raise SettingsError("ids", given, f"give either ids (--ids, --exact-id) or --ids-from, {both}")
    if settings.source_version is not None and not settings.ids_from:
        raise SettingsError("source_version", settings.source_version, "is of --ids-from, which is not given")
    writer = LiveWriter(services.cluster, settings.name)
    deleted = missing = 0
    live = writer.live_build().meta.build
    column = settings.id or writer.live_build().meta.id_column
    parts = _ids_from(settings.ids_from, column, settings.source_version) if settings.ids_from else iter([given])
    for ids in parts:
        written = writer.delete(ids, refreshed=settings.refresh)
        deleted, missing, live = deleted + written.changed, missing + written.missing, written.build
    return DeleteReport(name=settings.name, build=live, deleted=deleted, missing=missing)


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
