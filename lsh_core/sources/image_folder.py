"""Reader of folders of image files, with one row per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from lsh_core.sources.image_rows import IMAGE_SCHEMA, image_files
from lsh_core.sources.listing import Listed, list_source
from lsh_core.sources.reader import Contents
from lsh_core.sources.source_file import Chunk, SourceFile


class ImageFolderReader:
    """Reads folders of image files as rows with the location of each file.

    The decoding threads read the files, so reading is as parallel as decoding, and a missing file fails one row.
    """

    name = "image_folder"
    has_columns = False

    def claims(self, url: str) -> bool:
        """Return whether the URL names a folder."""
        return url.endswith("/")

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return nothing: the files in the folder are its rows."""
        return ()

    def contents(self, file: Listed) -> Contents:
        """Return the files in the folder, sorted by their URLs."""
        listing = list_source(file.url, irregular=True, linked_folders=False)
        return Contents(IMAGE_SCHEMA, (len(listing.files),), members=listing.files)

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read each chunk as one table with all columns of `IMAGE_SCHEMA`."""
        for chunk in chunks:
            yield image_files(chunk.members)
