"""Translates errors of filesystems into final or retryable errors of the source."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lsh_core.errors import AirlshError, SourceError, SourceUnavailableError

# The last three come before any request: a wrong setting or address.
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
    """Translate an error of a filesystem into a final or a retryable one.

    Parameters
    ----------
    what
        Failed action, such as ``cannot be read``.
    local
        Whether the file is on this machine, where only a full disk is a transient error.

    Raises
    ------
    SourceError
        The file or the permission is missing, or the path is not a file.
    SourceUnavailableError
        Any other error of another machine: a time-out, a broken connection, a busy server. On every machine: no space
        is left.
    """
    try:
        yield
    except AirlshError:
        raise
    except Exception as error:  # each cloud's package has its own exceptions
        is_full = isinstance(error, OSError) and error.errno in _FULL
        kind = SourceError if (local or _is_answer(error)) and not is_full else SourceUnavailableError
        raise kind(url, f"{what}: {str(error) or type(error).__name__}") from error


def _is_answer(error: Exception) -> bool:
    """Return whether the storage refused, by attributes that the errors of all packages share.

    None of these packages is imported.
    """
    if isinstance(error, _ANSWERS) or "Credential" in type(error).__name__:
        return True
    if isinstance(error, OSError):
        # gcsfs has no class or number for status 403.
        return error.errno in _ANSWERING_CODES or str(error).startswith("Forbidden")
    statuses = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return any(isinstance(s, int) and 400 <= s < 500 and s not in _TRANSIENT_STATUSES for s in statuses)
