"""Reader of zip and tar archives, with one row per image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

import pyarrow as pa

from lsh_core.errors import ImageError, SourceChangedError, SourceError
from lsh_core.sources.archives import archive_members, is_archive, is_random_access
from lsh_core.sources.image_rows import IMAGE_SCHEMA, image_bytes, image_fault
from lsh_core.sources.listing import IRREGULAR, Listed
from lsh_core.sources.reader import Contents
from lsh_core.sources.source_file import Chunk, SourceFile


class ArchiveReader:
    """Reads the images of archives one by one, with one image in memory."""

    name = "archive"
    has_columns = False

    def claims(self, url: str) -> bool:
        """Return whether the name of a file is that of a zip or tar archive."""
        return is_archive(url)

    def files_beside(self, url: str) -> tuple[str, ...]:
        """Return nothing: an archive is whole."""
        return ()

    def contents(self, file: Listed) -> Contents:
        """Return the names of the images; a compressed tar is decompressed to list them."""
        if file.size == IRREGULAR:
            raise SourceError(file.url, "is not a regular file, so its images cannot be counted")
        members = tuple(Listed(member.name, member.size, "") for member in archive_members(file.url))
        return Contents(IMAGE_SCHEMA, (len(members),), not is_random_access(file.url), members)

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read image by image, each a table of one row with all columns of `IMAGE_SCHEMA`.

        Raises
        ------
        SourceChangedError
            The archive has another image at a planned position.
        SourceError
            The archive is broken. A broken image in a readable archive is a row with the fault.
        """
        members = archive_members(file.url)
        position = 0
        for chunk in chunks:
            here = islice(members, chunk.start - position, chunk.stop - position)
            position = chunk.stop
            for planned, member in zip_longest(chunk.members, here):
                if member is None or planned is None or member.name != planned.url:
                    found = "another file" if member else "its end"
                    raise SourceChangedError(file.url, f"{planned.url if planned else None!r} in its place", found)
                try:
                    yield image_bytes(member.read())
                except ImageError as error:
                    yield image_fault("unreadable_image", str(error))
