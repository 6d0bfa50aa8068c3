"""Writes files into folders, on any filesystem that fsspec supports."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import fsspec

from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors

_PROBE = ".airlsh-writes-here"


def check_writable(folder: str) -> None:
    """Create `folder` if it is missing, and check that it is writable.

    Raises
    ------
    SourceError
        They cannot.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(folder)
    probe = inside(path, f"{_PROBE}-{secrets.token_hex(8)}")  # A unique name: another run may check at the same moment.
    with translate_errors(folder, "cannot be written to", local=is_local(filesystem)), _errors_name(path, not_=probe):
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(probe, b"")
        filesystem.rm_file(probe)


def inside(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return f"{folder.rstrip('/')}/{name}"


def write_whole(filesystem: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Replace a file so that readers see either the old or the new content."""
    if not is_local(filesystem):
        filesystem.pipe_file(path, data)  # An object store publishes an object when its upload ends.
        return
    with complete_file(path, data) as written:
        os.replace(written, path)


@contextmanager
def complete_file(path: str, data: bytes) -> Iterator[str]:
    """Write `data` to a temporary hidden file beside `path`, flushed to disk.

    The file is removed at the end of the block.
    """
    folder, name = os.path.split(path)
    hidden = os.path.join(folder, f".{name}.{secrets.token_hex(8)}")
    try:
        with _errors_name(path, not_=hidden):
            with open(hidden, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield hidden
    finally:
        with suppress(FileNotFoundError):
            os.unlink(hidden)


@contextmanager
def _errors_name(path: str, *, not_: str) -> Iterator[None]:
    """Let errors of the block name `path` in place of the temporary file `not_`."""
    try:
        yield
    except OSError as error:
        if error.filename != not_:
            raise
        raise OSError(error.errno, error.strerror, path) from error
