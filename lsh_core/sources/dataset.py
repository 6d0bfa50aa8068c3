"""Finds the rows, row groups and columns of a source from metadata."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from lsh_core.choices import choice_of
from lsh_core.errors import SchemaError
from lsh_core.partitions import levels_of
from lsh_core.sources.column_types import ColumnTypes
from lsh_core.sources.encoder_info import EncoderInfo, common_encoder
from lsh_core.sources.left_out import NONE_LEFT_OUT, LeftOut
from lsh_core.sources.listing import Listed
from lsh_core.sources.partition_types import partition_type
from lsh_core.sources.plain_types import plain_type
from lsh_core.sources.reader import Reader
from lsh_core.sources.readers import PARQUET, contents_of, source_parts
from lsh_core.sources.source_facts import SourceFacts
from lsh_core.sources.source_file import SourceFile
from lsh_core.sources.source_files import SourceFiles, look_up_in_table, source_files
from lsh_core.sources.tables import Table, TableFile, TableVersion

logger = logging.getLogger(__name__)

_CONTENTS_THREADS = 16


@dataclass(frozen=True)
class Dataset:
    """All files of a source in sorted order, with their columns.

    A file may lack a column, or have another type for it: see `lsh_core.sources.common_types`. Partition keys are
    columns of strings, or of the types in the log of a table. If a file has a column with the name of a key, its values
    are read from the file; the key still names the partition.

    Attributes
    ----------
    columns
        The columns of all files, with plain types.
    encoder
        Encoder of the vectors; None where the files name none.
    left_out
        Files that are not read.
    table
        Version of the table; None for plain files.
    """

    url: str
    files: tuple[SourceFile, ...]
    columns: tuple[ColumnTypes, ...]
    encoder: EncoderInfo | None = None
    left_out: LeftOut = NONE_LEFT_OUT
    table: TableVersion | None = None

    @property
    def names(self) -> list[str]:
        """Names of the default columns: all but the unnamed indices of pandas."""
        return [column.name for column in self.columns if not column.is_pandas_index]

    def names_with(self, known: Collection[str]) -> list[str]:
        """Return `names` and the unnamed pandas indices among the columns `known` of a build."""
        return [column.name for column in self.columns if not column.is_pandas_index or column.name in known]

    @property
    def columns_left_out(self) -> tuple[str, ...]:
        """Names of the columns that are used only if named."""
        return tuple(column.name for column in self.columns if column.is_pandas_index)

    def column(self, name: str) -> ColumnTypes:
        """Return a column; raise `SchemaError` if no file has it."""
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(self.url, name, f"does not exist: {choice_of(name, self.names)}")

    @property
    def schema(self) -> pa.Schema:
        """Default columns with their common types; raises as `schema_of`."""
        return self.schema_of(self.names)

    def schema_of(self, names: Iterable[str]) -> pa.Schema:
        """Return columns with their common types.

        Raises
        ------
        SchemaError
            No file has a column, or its types in two files have no common type.
        """
        return pa.schema([pa.field(name, self.column(name).common()) for name in names])

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def version(self) -> str | None:
        """Version of the table that was read; None for plain files."""
        return None if self.table is None else self.table.version

    def facts(self) -> SourceFacts:
        """Return the facts of the source for reports."""
        return SourceFacts.of("files" if self.table is None else self.table.format, self.version, self.left_out)


def open_dataset(url: str, version: str | None = None) -> Dataset:
    """Find the rows and columns of all files of `url`.

    Each file is opened by its reader. A file that no registered reader claims is read as Parquet, of which only the
    footer is read.

    Parameters
    ----------
    url
        A file, a folder (with all its subfolders) or a glob; a local path or any fsspec URL. ``key=value`` folders
        anywhere on a file's path give string columns, so that a file has the same columns whether it is named alone or
        with its folder. The log of a Delta or Iceberg table decides on files, columns and partition values, for a part
        of the table as well.
    version
        Version of the table; default: the latest. See `lsh_core.sources.source_files.source_files`.

    Raises
    ------
    SourceMissingError
        Nothing is there.
    SourceError
        A file has another format than its reader expects, is truncated, or cannot be read.
    SourceUnavailableError
        Its storage did not answer.
    SchemaError
        A column name is repeated in one file.
    ModelMismatchError
        The vectors of two files were made by different encoders.
    """
    return open_files(url, source_files(url, version))


def open_files(url: str, source: SourceFiles) -> Dataset:
    """Find the rows and columns of the files of the source `url`; raises as `open_dataset` does."""
    if source.left_out.count:
        logger.warning("%s: %s", url, source.left_out)
    with ThreadPoolExecutor(_CONTENTS_THREADS) as pool:
        if (table := source.table) is not None:
            found = list(pool.map(partial(_open_in_table, table), source.of_table))
        else:
            found = list(pool.map(lambda part: _open_file(*part), source_parts(source.plain)))
    files: list[SourceFile] = []
    row_number = 0
    for file, _, _ in found:
        files.append(replace(file, first_row_number=row_number))
        row_number += file.rows
    # A file without rows has no values, and pandas gives its columns any type.
    with_rows = [each for each in found if each[0].rows] or found
    columns = _columns([(file.url, schema) for file, schema, _ in with_rows])
    encoder = common_encoder([(file.url, encoder) for file, _, encoder in found]) if found else None
    return Dataset(url, tuple(files), columns, encoder, source.left_out, None if table is None else table.version)


def _open_in_table(table: Table, file: tuple[str, TableFile]) -> tuple[SourceFile, pa.Schema, EncoderInfo | None]:
    url, of_table = file
    return _open_file(PARQUET, look_up_in_table(url, of_table, table), of_table, table)


def _open_file(
    reader: Reader, listed: Listed, of_table: TableFile | None = None, table: Table | None = None
) -> tuple[SourceFile, pa.Schema, EncoderInfo | None]:
    contents = contents_of(reader, listed)
    encoder, schema = EncoderInfo.of_schema(contents.schema, listed.url), contents.schema.remove_metadata()
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise SchemaError(listed.url, repeated[0], "appears more than once; write the file with distinct column names")
    if table is not None:
        schema = table.own_columns(listed.url, schema)
    schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
    levels = levels_of(listed.url.split("/")[:-1]) if of_table is None else of_table.levels
    added = tuple((key, value) for key, value in levels if key not in schema.names)
    types = tuple((key, table.types[key]) for key, _ in added) if table is not None else ()
    for key, _ in added:
        schema = schema.append(pa.field(key, partition_type(dict(types).get(key, "string"))))
    file = SourceFile(
        listed.url,
        listed.size,
        listed.version,
        contents.row_group_rows,
        0,
        added,
        types,
        None if of_table is None else of_table.partition,
        reader.name,
        contents.sequential,
    )
    return file, schema, encoder


def _columns(schemas: Sequence[tuple[str, pa.Schema]]) -> tuple[ColumnTypes, ...]:
    """Return the columns of all files, those of the first file first."""
    columns: dict[str, ColumnTypes] = {}
    for number, (url, schema) in enumerate(schemas):
        for name in schema.names:
            if name in columns:
                columns[name] = columns[name].seen(schema.field(name).type, url)
            else:
                first = ColumnTypes(name, ((schema.field(name).type, url),))
                columns[name] = first.missing(schemas[0][0]) if number else first
        for name in columns.keys() - set(schema.names):
            columns[name] = columns[name].missing(url)
    return tuple(columns.values())
