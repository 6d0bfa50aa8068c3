"""What a worker is told to do: chunks of rows, and which of their columns matter. Small, and it pickles."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from lsh_core.sources.listing import Listed
from lsh_core.sources.source_file import SourceFile


@dataclass(frozen=True)
class RowColumns:
    """Which columns of a row are read and kept, and what of it is encoded.

    Attributes
    ----------
    id
        Column with the ids; for image files and archives the name of the column that the paths are written to.
    template
        The text of a row, as `lsh_core.features.template` reads it; None for images.
    image
        Column with the bytes of images, or paths or URLs; None for texts, image files and archives.
    kept
        Schema of the columns that are written, without the vector.
    vector
        Name of the column that is added.
    base
        The folder that relative paths of images start from, and that ids of image files leave out.
    places
        Folders and URL prefixes that images named in a column may lie in; empty unless there is such a column.
    """

    id: str
    template: str | None
    image: str | None
    kept: pa.Schema
    vector: str
    base: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class WorkChunk:
    """Rows [`start`, `stop`) of one file, or some image files: what is encoded and written as one.

    Attributes
    ----------
    key
        Names its files in the output; a hash of all that decides what they hold.
    images
        The image files, one row each; empty for rows of a file.
    names
        The names of the images in an archive, one row each; empty for others.
    """

    key: str
    source: str
    start: int
    stop: int
    images: tuple[Listed, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)

    @property
    def rows(self) -> int:
        """Rows of the chunk."""
        return self.stop - self.start


@dataclass(frozen=True)
class WorkSpan:
    """Chunks that one worker does in one pass: of one file, in its order, or of image files.

    Attributes
    ----------
    file
        The Parquet file or archive; None for image files.
    """

    file: SourceFile | None
    chunks: tuple[WorkChunk, ...]

    @property
    def rows(self) -> int:
        """Rows of all chunks."""
        return sum(chunk.rows for chunk in self.chunks)
