"""Folders that are written to, on any filesystem that fsspec writes."""

from __future__ import annotations

import secrets

from lsh_core.sources.failures import judged
from lsh_core.sources.listing import is_local, open_filesystem

_PROBE = ".airlsh-writes-here"


def check_writable(folder: str) -> None:
    """Make `folder` if it is not there, and see that files can be written into it.

    Raises
    ------
    SourceError
        They cannot.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(folder)
    probe = inside(path, f"{_PROBE}-{secrets.token_hex(8)}")  # Its own: another run may look at the same moment.
    with judged(folder, "cannot be written to", local=is_local(filesystem)):
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(probe, b"")
        filesystem.rm_file(probe)


def inside(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return f"{folder.rstrip('/')}/{name}"
