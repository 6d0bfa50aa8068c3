"""The protocol of a reader: all that airlsh asks of a kind of source file.

Planning, chunks, ledger, change detection, partitions, sampling and listing know no file format. A reader answers for
one format, and is registered by an installed package::

    [project.entry-points."airlsh.readers"]
    npy = "our_package.npy_reader:NpyReader"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from lsh_core.sources.listing import Listed
from lsh_core.sources.source_file import Chunk, SourceFile


@dataclass(frozen=True)
class Contents:
    """The rows and columns of one file. Where the format allows it, no row is read for them.

    Attributes
    ----------
    schema
        Columns and their types. Its metadata may name the encoder of the vectors; see
        `lsh_core.sources.encoder_info`.
    row_group_rows
        Rows of each run of rows that can be read without the rows before them.
    sequential
        Whether rows can only be read from the first one on: then one worker reads the whole file.
    members
        Where each row is a member of an archive or a file in a folder: these, one a row.
    """

    schema: pa.Schema
    row_group_rows: tuple[int, ...]
    sequential: bool = False
    members: tuple[Listed, ...] = field(default=(), repr=False)


class Reader(Protocol):
    """Reads the files of one format. Every worker makes its own; it keeps no state between calls.

    Whatever a method raises becomes a `SourceError` that names the file, or a `SourceUnavailableError` where the
    storage did not answer; a `SourceError` of its own stays as it is.
    """

    @property
    def name(self) -> str:
        """Name by which plans and workers find the reader again: the name of its entry point."""

    @property
    def has_columns(self) -> bool:
        """True where rows have ids and vectors in columns; False where each row is an image."""

    def claims(self, url: str) -> bool:
        """Return whether the name of a file says that it has this format."""

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return the URLs of other files that are read together with a file; mostly none.

        They are no files of the source themselves. Where one of them changes, the file counts as changed.
        """

    def contents(self, file: Listed) -> Contents:
        """Return the rows and columns of a file."""

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read chunks of one file in one pass, in bounded memory.

        Parameters
        ----------
        chunks
            Chunks of `file` in source order; the rows between them are skipped.
        columns
            Columns to read; those that the file lacks are left out.

        Yields
        ------
        table
            The rows of `chunks` in order: a table for each chunk, or several. No table has rows of two chunks. A
            table without columns stands for a whole chunk.
        """
