"""Protocol of a reader of one kind of source file.

Planning, chunks, ledger, change detection, partitions, sampling and listing do not depend on file formats. A reader
handles one format. An installed package registers it::

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
    """Rows and columns of one file, found without reading rows if the format allows it.

    Attributes
    ----------
    schema
        Columns and their types. Its metadata may name the encoder of the vectors; see
        `lsh_core.sources.encoder_info`.
    row_group_rows
        Rows of each run of rows that can be read without the rows before them.
    sequential
        Whether rows can only be read from the first row on; one worker then reads the whole file.
    members
        Members of an archive, or files of a folder, one per row; empty for other files.
    """

    schema: pa.Schema
    row_group_rows: tuple[int, ...]
    sequential: bool = False
    members: tuple[Listed, ...] = field(default=(), repr=False)


class Reader(Protocol):
    """Reads the files of one format. Every worker makes its own reader; a reader keeps no state between calls.

    An error of a method becomes a `SourceError` that names the file, or a `SourceUnavailableError` if the storage did
    not answer. A `SourceError` of the method is raised unchanged.
    """

    @property
    def name(self) -> str:
        """Name of the reader in plans: the name of its entry point."""

    @property
    def has_columns(self) -> bool:
        """True if rows have ids and vectors in columns; False if each row is an image."""

    def claims(self, url: str) -> bool:
        """Return whether the name of a file indicates this format."""

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return the URLs of companion files that are read with a file; mostly none.

        Companion files are not files of the source. If one of them changes, the file counts as changed.
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
            Columns to read; columns that the file lacks are left out.

        Yields
        ------
        table
            The rows of `chunks` in order, in one or more tables per chunk. No table has rows of two chunks. A table
            without columns stands for a whole chunk.
        """
