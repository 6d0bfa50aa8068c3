"""Common parts of Delta and Iceberg tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import fsspec
import pyarrow as pa

from lsh_core.errors import SourceError
from lsh_core.partitions import Levels
from lsh_core.sources.listing import is_local

_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "wasb": "abfs", "wasbs": "abfs", "az": "abfs"}
_OUTSIDE = (
    "names {location}, which is not in the table's own folder (a shallow clone, or a table that was moved or copied): "
    "give the folder of the table that the file belongs to, or write a whole copy of this one"
)


@dataclass(frozen=True)
class TableVersion:
    """Version of a table: a Delta version number or an Iceberg snapshot id."""

    format: str
    version: str

    def __str__(self) -> str:
        return f"{self.format} {'snapshot' if self.format == 'iceberg' else 'version'} {self.version}"


@dataclass(frozen=True)
class TableFile:
    """One data file of a table, as its log lists it.

    Attributes
    ----------
    path
        Path in the table's filesystem.
    levels
        Partition columns and their values as text, which the file may lack.
    partition
        Name of its partition; empty for a table without partitions.
    """

    path: str
    size: int
    levels: Levels
    partition: str


@dataclass(frozen=True)
class Table:
    """One version of a table.

    Attributes
    ----------
    root
        URL of its folder.
    columns
        Names of its columns.
    types
        Types of partition columns, by the names of `lsh_core.sources.partition_types`.
    only_in_log
        Partition columns whose values come from the log even if the files hold them.
    field_names
        Iceberg: full name of each field by its id, which identifies a file's columns.
    """

    root: str
    version: TableVersion
    files: tuple[TableFile, ...]
    columns: frozenset[str]
    types: dict[str, str] = field(default_factory=dict)
    only_in_log: frozenset[str] = frozenset()
    field_names: dict[int, str] = field(default_factory=dict)

    def own_columns(self, url: str, schema: pa.Schema) -> pa.Schema:
        """Return the columns of a file that belong to the table.

        Raises
        ------
        SourceError
            A column was renamed in the table after the file was written.
        """
        kept = []
        for column in schema:
            name = self._name_in_table(url, column, "")
            if name in self.columns and name not in self.only_in_log:
                kept.append(column)
        return pa.schema(kept)

    def _name_in_table(self, url: str, column: pa.Field, within: str) -> str | None:  # type: ignore[type-arg]
        place = f"{within}.{column.name}" if within else column.name
        number = (column.metadata or {}).get(b"PARQUET:field_id")
        if not self.field_names or number is None:
            return place
        name = self.field_names.get(int(number))
        if name is None:
            if not within and column.name not in self.columns:
                return None  # Dropped from the table.
            raise self._other_column(url, place, "no field of the table any more")
        if name.rpartition(".")[2] != column.name:
            raise self._other_column(url, place, f"{name!r} in the table by now")
        if pa.types.is_struct(column.type):
            for number_in in range(column.type.num_fields):
                self._name_in_table(url, column.type.field(number_in), place)
        return name

    def _other_column(self, url: str, place: str, what: str) -> SourceError:
        reason = f"column {place!r} is {what}: files of before a column was renamed or replaced are not read"
        return SourceError(url, f"{reason}; rewrite the table's files (in Spark: CALL system.rewrite_data_files)")


def path_in_table(filesystem: fsspec.AbstractFileSystem, root: str, location: str) -> str:
    """Return the path of a log entry that lies in the table's folder.

    Parameters
    ----------
    root
        Path of the table's folder in `filesystem`.

    Raises
    ------
    SourceError
        The entry lies elsewhere: a log must not lead to files outside the allowed folder.
    """
    scheme, colon, _ = location.partition(":/")
    protocols = {_ALIASES.get(each, each) for each in _protocols(filesystem)}
    known = _ALIASES.get(scheme, scheme) in protocols if colon else is_local(filesystem)
    path = str(filesystem._strip_protocol(_with_known_scheme(location, scheme, filesystem) if colon else location))
    if not known or not path.startswith(f"{root.rstrip('/')}/") or ".." in path.split("/"):
        raise SourceError(root, _OUTSIDE.format(location=location))
    return path


def _protocols(filesystem: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _with_known_scheme(location: str, scheme: str, filesystem: fsspec.AbstractFileSystem) -> str:
    protocols = _protocols(filesystem)
    return location if scheme in protocols else location.replace(scheme, protocols[0], 1)
