"""The rows, row groups and columns of a source, from the footers of its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.parquet as pq

from lsh_core.errors import SchemaError, SourceChangedError
from lsh_core.partitions import levels_of, partition_of
from lsh_core.sources.column_types import ColumnTypes
from lsh_core.sources.encoded_by import EncodedBy, the_one_encoder
from lsh_core.sources.listing import Listed, list_files, look_up
from lsh_core.sources.plain_types import plain_type
from lsh_core.sources.reading import open_parquet

_FOOTER_THREADS = 16


@dataclass(frozen=True)
class SourceFile:
    """One Parquet file: all that a worker needs to read it. Small, and it pickles.

    Attributes
    ----------
    url
        Where it is: a plain path on this machine, a URL elsewhere.
    size
        Bytes.
    version
        Its etag, or its time of modification in nanoseconds.
    row_group_rows
        Rows of each row group.
    first_place
        Place of its first row in the whole source, files in sorted order.
    partition_values
        Columns that the file lacks and a ``key=value`` folder on its path gives, keys and values as text.
    """

    url: str
    size: int
    version: str
    row_group_rows: tuple[int, ...]
    first_place: int
    partition_values: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(self.row_group_rows)

    @property
    def partition(self) -> str | None:
        """Name of its partition, by the ``key=value`` folders on its path whatever columns it has; None without any."""
        return partition_of(self.url)


@dataclass(frozen=True)
class Dataset:
    """All files of a source, in sorted order, and the columns that they have.

    A file may lack a column, or have it with another type: see `lsh_core.sources.common_types`. Partition keys
    are columns of strings. A key that is also a column of a file is read from that file, and tells its partition all
    the same.

    Attributes
    ----------
    columns
        The columns of all files, with plain types.
    encoder
        What made the vectors, where the files say so.
    """

    url: str
    files: tuple[SourceFile, ...]
    columns: tuple[ColumnTypes, ...]
    encoder: EncodedBy | None = None

    @property
    def names(self) -> list[str]:
        """Names of the columns that are used by default: all but the unnamed indices of pandas."""
        return [column.name for column in self.columns if not column.is_pandas_index]

    @property
    def columns_left_out(self) -> tuple[str, ...]:
        """Names of the columns that are used only where they are named."""
        return tuple(column.name for column in self.columns if column.is_pandas_index)

    def column(self, name: str) -> ColumnTypes:
        """Return a column; raise `SchemaError` where no file has it."""
        for column in self.columns:
            if column.name == name:
                return column
        near = get_close_matches(name, self.names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SchemaError(self.url, name, f"does not exist{hint}; there are {', '.join(self.names)}")

    @property
    def schema(self) -> pa.Schema:
        """The columns that are used by default, with the types that they share; raises as `schema_of` does."""
        return self.schema_of(self.names)

    def schema_of(self, names: Iterable[str]) -> pa.Schema:
        """Return columns with the types that they share.

        Raises
        ------
        SchemaError
            A column that no file has, or whose types in two files have no common type.
        """
        return pa.schema([pa.field(name, self.column(name).common()) for name in names])

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)


def open_dataset(url: str) -> Dataset:
    """Read the footers of all Parquet files that `url` means; no row is read.

    Parameters
    ----------
    url
        A file, a folder (with all its subfolders) or a glob; a local path or any fsspec URL.
        ``key=value`` folders anywhere on a file's path give string columns, so that a file has the
        same columns whether it is named alone or with its whole folder.

    Raises
    ------
    SourceMissingError
        Nothing is there.
    SourceError
        A file is not Parquet, is truncated or cannot be read.
    SourceUnavailableError
        Its storage did not answer.
    SchemaError
        A column name is repeated in one file.
    ModelMismatchError
        The vectors of two files were made by different encoders.
    """
    listed = list_files(url)
    with ThreadPoolExecutor(min(_FOOTER_THREADS, len(listed))) as pool:
        footers = list(pool.map(_read_footer, listed))
    files: list[SourceFile] = []
    place = 0
    for file, _, _ in footers:
        files.append(replace(file, first_place=place))
        place += file.rows
    # A file without rows has no values, and pandas gives its columns any type.
    with_rows = [each for each in footers if each[0].rows] or footers
    columns = _columns([(file.url, schema) for file, schema, _ in with_rows])
    encoder = the_one_encoder([(file.url, encoder) for file, _, encoder in footers])
    return Dataset(url, tuple(files), columns, encoder)


def check_unchanged(file: SourceFile) -> None:
    """Look the file up again.

    Raises
    ------
    SourceChangedError
        Its size or version is not the planned one, or it is gone.
    SourceUnavailableError
        Its storage did not answer.
    """
    now = look_up(file.url)
    if now is None:
        raise SourceChangedError(file.url, f"{file.size:,} bytes", "no file")
    if (now.size, now.version) != (file.size, file.version):
        raise SourceChangedError(
            file.url, f"{file.size:,} bytes, version {file.version}", f"{now.size:,} bytes, version {now.version}"
        )


def _read_footer(listed: Listed) -> tuple[SourceFile, pa.Schema, EncodedBy | None]:
    with open_parquet(listed.url, listed.size) as parquet:
        metadata: pq.FileMetaData = parquet.metadata
        written = parquet.schema_arrow
    encoder, schema = EncodedBy.of_schema(written, listed.url), written.remove_metadata()
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise SchemaError(listed.url, repeated[0], "appears more than once; write the file with distinct column names")
    added = tuple((key, value) for key, value in levels_of(listed.url.split("/")[:-1]) if key not in schema.names)
    schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])
    for key, _ in added:
        schema = schema.append(pa.field(key, pa.string()))
    row_group_rows = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    return SourceFile(listed.url, listed.size, listed.version, row_group_rows, 0, added), schema, encoder


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
