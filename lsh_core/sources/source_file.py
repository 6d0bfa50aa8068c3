"""One file of a source, and one chunk of its rows: all that a worker needs to read them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lsh_core.partitions import partition_of
from lsh_core.sources.listing import Listed


@dataclass(frozen=True)
class SourceFile:
    """One file of a source as it was planned. Small, and it pickles.

    Attributes
    ----------
    url
        Where it is: a plain path on this machine, a URL elsewhere. With a slash at its end it is a folder whose files
        are a row each.
    size
        Bytes, those of the files that are read beside it included.
    version
        Its etag, or its time of modification in nanoseconds; those of the files that are read beside it follow.
    row_group_rows
        Rows of each row group: the row groups are the runs of rows that can be read without the rows before them.
    first_row_number
        Row number of its first row in the whole source, files in sorted order.
    partition_values
        Columns that the file lacks and a ``key=value`` folder on its path gives, keys and values as text; of a table
        those that its log gives.
    partition_types
        Of a table the types of these columns, by the names of `lsh_core.sources.partition_types`; others are strings.
    named_partition
        Of a table the name of the partition by its log, empty where it has none; None: the folders tell.
    reader
        Name of the reader of its rows; see `lsh_core.sources.readers`.
    sequential
        Whether its rows can only be read from the first one on.
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
        """Name of its partition, by the ``key=value`` folders on its path whatever columns it has; None without any."""
        return partition_of(self.url) if self.named_partition is None else self.named_partition or None

    @property
    def is_folder(self) -> bool:
        """True of a folder whose files are a row each."""
        return self.url.endswith("/")


@dataclass(frozen=True)
class Chunk:
    """Rows [`start`, `stop`) of file number `file`: the unit of work that is done, recorded and repeated as a whole.

    Attributes
    ----------
    number
        Its number in the whole source, from 0, in source order.
    first_row_number
        Row number of its first row in the whole source.
    key
        Of a chunk of features a hash of all that decides them; empty of others, which the ledger keys.
    members
        Where each row is a member of an archive or a file in a folder: these, one a row.
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
    """Chunks of one file, in source order, that one worker reads in one pass."""

    file: SourceFile
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.rows for chunk in self.chunks)
