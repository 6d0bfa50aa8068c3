"""Names the columns of a row that are read, kept and encoded."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class RowColumns:
    """Columns of a row that are read, kept and encoded. Small, and can be pickled.

    Attributes
    ----------
    id
        Column with the ids; for image files and archives, the column to which paths are written.
    template
        The text of a row, as `lsh_core.features.template` reads it; None for images.
    image
        Column with the bytes of images, or paths or URLs; None for texts, image files and archives.
    kept
        Schema of the columns that are written, without the vector.
    vector
        Name of the added column.
    base
        Folder of relative image paths; ids of image files leave it out.
    places
        Allowed folders and URL prefixes of images named in a column; empty without such a column.
    """

    id: str
    template: str | None
    image: str | None
    kept: pa.Schema
    vector: str
    base: str
    places: tuple[str, ...]
