"""File on another machine, as a bridge between fsspec and Arrow."""

from __future__ import annotations

import io
from typing import IO

from lsh_core.sources.storage_errors import translate_errors


class RemoteFile(io.IOBase):
    """Reads like `file`, and translates its errors.

    Arrow passes on the errors of a file, but raises `OSError` for broken content too. Translating errors here keeps a
    broken connection apart from a broken file.

    Parameters
    ----------
    url
        URL that errors name.
    file
        Open for reading.
    """

    def __init__(self, url: str, file: IO[bytes]) -> None:
        self._url, self._file = url, file

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or the rest of the file.

        Raises
        ------
        SourceUnavailableError
            The storage did not answer.
        SourceError
            The storage answered that the file cannot be read.
        """
        with translate_errors(self._url, "cannot be read", local=False):
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self._file.tell()

    def readable(self) -> bool:
        """Return True."""
        return True

    @property
    def closed(self) -> bool:
        """True if the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file."""
        self._file.close()
