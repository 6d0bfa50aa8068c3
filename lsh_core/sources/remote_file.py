"""A file on another machine, between fsspec and Arrow."""

from __future__ import annotations

import io
from typing import IO

from lsh_core.sources.storage_errors import translate_errors


class RemoteFile(io.IOBase):
    """Reads like `file`, and judges its errors.

    Arrow passes on whatever a file raises, but its own complaints about broken content are `OSError` too.
    Judged here, a broken connection is not taken for a broken file.

    Parameters
    ----------
    url
        What errors name.
    file
        Open for reading.
    """

    def __init__(self, url: str, file: IO[bytes]) -> None:
        self._url, self._file = url, file

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or all that is left.

        Raises
        ------
        SourceUnavailableError
            The storage did not answer.
        SourceError
            The storage answered that it cannot be read.
        """
        with translate_errors(self._url, "cannot be read", local=False):
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def readable(self) -> bool:
        """Return True."""
        return True

    @property
    def closed(self) -> bool:
        """True once it was closed."""
        return self._file.closed

    def close(self) -> None:
        """Close it."""
        self._file.close()
