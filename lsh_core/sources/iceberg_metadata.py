"""Reads the files and columns of an Iceberg table's snapshot.

`pyiceberg` reads the metadata, without a catalog. The filesystem of the data reads it, from the table's own folder
only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import fsspec
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import DataScan, FileScanTask, StaticTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import IdentityTransform

from lsh_core.errors import AirlshError, SettingsError, SourceError, SourceMissingError
from lsh_core.partitions import NULL, Levels, partition_name
from lsh_core.sources.listing import is_local, look
from lsh_core.sources.partition_types import partition_type
from lsh_core.sources.remote_file import RemoteFile
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.table_places import ICEBERG, METADATA, TablePlace
from lsh_core.sources.tables import Table, TableFile, TableVersion, path_in_table

_HINT = "version-hint.text"
_NUMBER = re.compile(r"v?(\d+)[.-].*")
_HADOOP_NAME = re.compile(rf"v(\d+)((?:\.gz)?{re.escape(METADATA)})")
_DELTA_NAMES = {"int": "integer", "timestamp": "timestamp_ntz", "timestamptz": "timestamp"}


def read_iceberg(place: TablePlace, version: str | None) -> Table:
    """Read a snapshot of an Iceberg table; default: the current one of its newest metadata file.

    Parameters
    ----------
    version
        Id of a snapshot, or the name of a branch or a tag.

    Raises
    ------
    SettingsError
        There is no such snapshot.
    SourceMissingError
        The table has no snapshot.
    SourceError
        The metadata cannot be read, or the table uses an unsupported feature.
    SourceUnavailableError
        Its storage did not answer.
    """
    metadata_file = place.metadata or _newest_metadata(place)
    if not is_local(place.filesystem):
        metadata_file = str(place.filesystem.unstrip_protocol(metadata_file))
    io = _TableIO(place)
    try:
        metadata = FromInputFile.table_metadata(io.new_input(metadata_file))
        # `from_metadata` is not used: there, properties of the table choose the class that reads it.
        table = StaticTable(("table", metadata_file), metadata, metadata_file, io, NoopCatalog("table"))
        scan = _scan(place, table, metadata, version)
        tasks = list(scan.plan_files())
    except AirlshError:
        raise
    except Exception as error:  # pyiceberg has errors of many kinds
        raise SourceError(place.url, f"its Iceberg metadata {metadata_file} cannot be read: {error}") from error
    snapshot = scan.snapshot()
    schema = scan.projection()
    _refuse_defaults(place, schema)
    specs = table.specs()
    return Table(
        root=place.url,
        version=TableVersion(ICEBERG, str(snapshot.snapshot_id if snapshot else "")),
        files=tuple(_files(place, tasks, specs, schema)),
        columns=frozenset(field.name for field in schema.fields),
        types=_types(place, specs, schema),
        field_names={number: name for number, name in _field_names(schema)},
    )


def _scan(place: TablePlace, table: StaticTable, metadata: TableMetadata, version: str | None) -> DataScan:
    if version is None:
        if metadata.current_snapshot_id is None:
            raise SourceMissingError(place.url, "the Iceberg table has no snapshot yet, so it has no rows")
        return table.scan()
    found = table.snapshot_by_id(int(version)) if version.isdecimal() else table.snapshot_by_name(version)
    if found is None:
        there = ", ".join([*metadata.refs, *(str(each.snapshot_id) for each in metadata.snapshots[-5:])])
        reason = f"{place.url} has no such snapshot, branch or tag (any more); there are {there}"
        raise SettingsError("source_version", version, reason)
    return table.scan(snapshot_id=found.snapshot_id)


def _after_hint(hinted: str, names: set[str]) -> str:
    """Return the last numbered file from the hinted one on: writers update the hint later, or never."""
    while (found := _HADOOP_NAME.fullmatch(hinted)) and (later := f"v{int(found[1]) + 1}{found[2]}") in names:
        hinted = later
    return hinted


def _newest_metadata(place: TablePlace) -> str:
    """Return the path of the current metadata file, by the hint or by its number."""
    folder = f"{place.root}/metadata"
    with translate_errors(place.url, "cannot be listed", local=is_local(place.filesystem)):
        place.filesystem.invalidate_cache(folder)
        names = [path.rpartition("/")[2] for path in place.filesystem.ls(folder, detail=False)]
        if _HINT in names:
            hint = place.filesystem.cat_file(f"{folder}/{_HINT}").decode().strip()
            hinted = hint if hint.endswith(METADATA) else f"v{hint}{METADATA}"
            if hinted in names:
                return f"{folder}/{_after_hint(hinted, set(names))}"
    numbered: dict[int, list[str]] = {}
    for name in names:
        if name.endswith(METADATA) and (found := _NUMBER.fullmatch(name)):
            numbered.setdefault(int(found[1]), []).append(name)
    newest = numbered[max(numbered)] if numbered else [name for name in names if name.endswith(METADATA)]
    if len(newest) > 1:
        raise SourceError(
            place.url,
            f"only its catalog knows which metadata file is valid ({', '.join(sorted(newest))}): give the one that the "
            f"catalog names, as {place.url}/metadata/{sorted(newest)[0]}",
        )
    return f"{folder}/{newest[0]}"


def _files(
    place: TablePlace, tasks: list[FileScanTask], specs: dict[int, PartitionSpec], schema: Schema
) -> Iterator[TableFile]:
    for task in tasks:
        file = task.file
        path = path_in_table(place.filesystem, place.root, file.file_path)
        if task.delete_files:
            raise SourceError(
                place.url,
                "has delete files: rows of its files that are deleted, and would be read; write them out of the files "
                "(in Spark: CALL system.rewrite_data_files with delete-file-threshold 1), or copy the table",
            )
        if file.file_format.value.upper() != "PARQUET":
            raise SourceError(path, f"is {file.file_format.value}, and only Parquet is read: rewrite the table's files")
        levels, partition = _levels(specs[file.spec_id], file.partition, schema)
        yield TableFile(path, file.file_size_in_bytes, levels, partition)


def _levels(spec: PartitionSpec, record: Any, schema: Schema) -> tuple[Levels, str]:
    """Return the partition columns of a file, which imported files may lack, and the partition's name."""
    levels, named = [], []
    for place, field in enumerate(spec.fields):
        value = record[place]
        column = schema._lazy_id_to_field.get(field.source_id)
        if column is None:  # Dropped from the table.
            continue
        kind = field.transform.result_type(column.field_type)
        text = NULL if value is None else field.transform.to_human_string(kind, value)
        named.append((field.name, text))
        if isinstance(field.transform, IdentityTransform) and column.name in {each.name for each in schema.fields}:
            levels.append((column.name, text))
    return tuple(levels), partition_name(tuple(named))


def _types(place: TablePlace, specs: dict[int, PartitionSpec], schema: Schema) -> dict[str, str]:
    """Return the types of the identity partition columns."""
    types = {}
    for spec in specs.values():
        for field in spec.fields:
            column = schema._lazy_id_to_field.get(field.source_id)
            if column is not None and isinstance(field.transform, IdentityTransform):
                name = str(column.field_type)
                types[column.name] = _DELTA_NAMES.get(name, name)
    return {name: type_ if partition_type(type_) is not None else "string" for name, type_ in types.items()}


def _field_names(schema: Schema) -> Iterator[tuple[int, str]]:
    for number in schema.field_ids:
        if (name := schema.find_column_name(number)) is not None:
            yield number, name


def _refuse_defaults(place: TablePlace, schema: Schema) -> None:
    for field in schema.fields:
        if field.initial_default is not None:
            reason = f"column {field.name!r} has the value {field.initial_default!r} where files lack it, which is not "
            raise SourceError(place.url, f"{reason}read here: rewrite the table's files, or write it as plain Parquet")


class _TableFileInput(InputFile):
    """A metadata file, read by fsspec."""

    def __init__(self, filesystem: fsspec.AbstractFileSystem, location: str, path: str) -> None:
        super().__init__(location)
        self._filesystem, self._path = filesystem, path

    def __len__(self) -> int:
        with translate_errors(self.location, "cannot be looked up", local=is_local(self._filesystem)):
            return int(self._filesystem.info(self._path)["size"])

    def exists(self) -> bool:
        with translate_errors(self.location, "cannot be looked up", local=is_local(self._filesystem)):
            return look(self._filesystem, self._path) is not None

    def open(self, seekable: bool = True) -> InputStream:
        with translate_errors(self.location, "cannot be read", local=is_local(self._filesystem)):
            opened: IO[bytes] = self._filesystem.open(self._path, "rb")
        return opened if is_local(self._filesystem) else RemoteFile(self.location, opened)


class _TableIO(FileIO):
    """Reads files of a table's own folder, and writes none."""

    def __init__(self, place: TablePlace) -> None:
        super().__init__()
        self._place = place

    def new_input(self, location: str) -> InputFile:
        path = path_in_table(self._place.filesystem, self._place.root, location)
        return _TableFileInput(self._place.filesystem, location, path)

    def new_output(self, location: str) -> OutputFile:
        raise PermissionError(f"{location} is only read")

    def delete(self, location: str | InputFile | OutputFile) -> None:
        raise PermissionError(f"{location} is only read")
