"""Translates errors of filesystems: into errors of the source, or of storage that did not answer."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lsh_core.errors import AirlshError, SourceError, SourceUnavailableError

# The last three come before any request is sent: a setting or an address that is wrong.
_ANSWERS = (
    FileNotFoundError,
    PermissionError,
    NotADirectoryError,
    IsADirectoryError,
    ValueError,
    TypeError,
    ImportError,
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ANSWERING_CODES = frozenset({errno.EINVAL, errno.ENAMETOOLONG, errno.ENOSYS})  # s3fs, of statuses 400 and 501
_TRANSIENT_STATUSES = frozenset({408, 429})


@contextmanager
def translate_errors(url: str, what: str, *, local: bool) -> Iterator[None]:
    """Turn an error of a filesystem into one that says whether another try may succeed.

    Parameters
    ----------
    what
        What could not be done, such as ``cannot be read``.
    local
        Whether the file is on this machine, where no error goes away by itself but that of a full disk.

    Raises
    ------
    SourceError
        The file or the permission is missing, or it is something else than a file.
    SourceUnavailableError
        Anything else on another machine: a time-out, a broken connection, a busy server. On any: no space is left.
    """
    try:
        yield
    except AirlshError:
        raise
    except Exception as error:  # each cloud's package has exceptions of its own
        is_full = isinstance(error, OSError) and error.errno in _FULL
        kind = SourceError if (local or _is_answer(error)) and not is_full else SourceUnavailableError
        raise kind(url, f"{what}: {str(error) or type(error).__name__}") from error


def _is_answer(error: Exception) -> bool:
    """Return whether the storage said no; told by what the packages' errors have in common, since none is imported."""
    if isinstance(error, _ANSWERS) or "Credential" in type(error).__name__:
        return True
    if isinstance(error, OSError):
        # gcsfs gives status 403 no class or number of its own.
        return error.errno in _ANSWERING_CODES or str(error).startswith("Forbidden")
    statuses = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return any(isinstance(s, int) and 400 <= s < 500 and s not in _TRANSIENT_STATUSES for s in statuses)
