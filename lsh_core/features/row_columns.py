"""The columns of a row: those that are read, kept and encoded."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class RowColumns:
    """The columns of a row that are read, kept and encoded. Small, and it pickles.

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
