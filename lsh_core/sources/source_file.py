"""Describes one file of a source and its chunks, for workers."""

from __future__ import annotations

from dataclasses import dataclass, field

from lsh_core.partitions import partition_of
from lsh_core.sources.listing import Listed


@dataclass(frozen=True)
class SourceFile:
    """One planned file of a source. It is small and can be pickled.

    Attributes
    ----------
    url
        Local path, or URL. With a slash at its end it is a folder with one row per file.
    size
        Bytes, companion files included.
    version
        Its etag, or its time of modification in nanoseconds, followed by those of the companion files.
    row_group_rows
        Rows of each row group: a run of rows that can be read without the rows before it.
    first_row_number
        Row number of its first row in the whole source, files in sorted order.
    partition_values
        Partition columns that the file lacks, keys and values as text: from ``key=value`` folders on its path, or from
        the log of a table.
    partition_types
        Tables: types of the partition columns, by the names of `lsh_core.sources.partition_types`; others are strings.
    named_partition
        Tables: name of the partition by the log, or empty. None: the folders on the path name it.
    reader
        Name of the reader of its rows; see `lsh_core.sources.readers`.
    sequential
        Whether rows can only be read from the first row on.
    """

    url: str
    size: int
    version: str
    row_group_rows: tuple[int, ...]
    first_row_number: int
    partition_values: tuple[tuple[str, str], ...]
    partition_types: tuple[tuple[str, str], ...] = ()
    named_partition: str | None = None
    reader: str = "parquet"
    sequential: bool = False

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(self.row_group_rows)

    @property
    def partition(self) -> str | None:
        """Name of the partition by the ``key=value`` folders on its path, or None.

        It does not depend on the columns of the file.
        """
        return partition_of(self.url) if self.named_partition is None else self.named_partition or None

    @property
    def is_folder(self) -> bool:
        """True for a folder with one row per file."""
        return self.url.endswith("/")


@dataclass(frozen=True)
class Chunk:
    """Rows [`start`, `stop`) of file number `file`: the unit of loading and retries.

    Attributes
    ----------
    number
        Number in the whole source, from 0, in source order.
    first_row_number
        Row number of its first row in the whole source.
    key
        Features: hash of everything that decides the vectors. Empty for index runs, where the ledger makes keys.
    members
        Members of an archive, or files of a folder, one per row; empty for other files.
    """

    number: int
    file: int
    start: int
    stop: int
    first_row_number: int
    key: str = ""
    members: tuple[Listed, ...] = field(default=(), repr=False)

    @property
    def rows(self) -> int:
        """Rows of the chunk."""
        return self.stop - self.start


@dataclass(frozen=True)
class Span:
    """Chunks of one file, read by one worker in one pass."""

    file: SourceFile
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.rows for chunk in self.chunks)
