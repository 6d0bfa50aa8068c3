"""A Parquet file of a source, and a chunk of its rows: what a worker needs to read them."""

from __future__ import annotations

from dataclasses import dataclass

from lsh_core.errors import SourceChangedError
from lsh_core.partitions import partition_of
from lsh_core.sources.listing import look_up


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
    first_row_number
        Row number of its first row in the whole source, files in sorted order.
    partition_values
        Columns that the file lacks and a ``key=value`` folder on its path gives, keys and values as text; of a table
        those that its log gives.
    partition_types
        Of a table the types of these columns, by the names of `lsh_core.sources.partition_types`; others are strings.
    named_partition
        Of a table the name of the partition by its log, empty where it has none; None: the folders tell.
    """

    url: str
    size: int
    version: str
    row_group_rows: tuple[int, ...]
    first_row_number: int
    partition_values: tuple[tuple[str, str], ...]
    partition_types: tuple[tuple[str, str], ...] = ()
    named_partition: str | None = None

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(self.row_group_rows)

    @property
    def partition(self) -> str | None:
        """Name of its partition, by the ``key=value`` folders on its path whatever columns it has; None without any."""
        return partition_of(self.url) if self.named_partition is None else self.named_partition or None


@dataclass(frozen=True)
class Chunk:
    """Rows [`start`, `stop`) of file number `file`.

    Attributes
    ----------
    number
        Its number in the whole source, from 0, in source order.
    first_row_number
        Row number of its first row in the whole source.
    """

    number: int
    file: int
    start: int
    stop: int
    first_row_number: int

    @property
    def rows(self) -> int:
        """Rows of the chunk."""
        return self.stop - self.start


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
