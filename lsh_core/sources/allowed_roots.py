"""Checks that a URL lies under the folders that a form may name.

A person at the command line reads with their own account. A person who fills a form reads with the account of the
workers, so the URLs of a form are checked first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from fsspec.implementations.local import LocalFileSystem

from lsh_core.errors import SettingsError

ALLOWED_SCHEMES = ("file", "s3", "gs", "abfs")


def check_allowed(url: str, roots: Sequence[str], *, setting: str = "source") -> None:
    """Check that `url` lies under one of `roots`.

    Local paths are compared after symbolic links are resolved. A folder or a glob under a root may
    still hold links that leave it: check the URLs of the files that were found as well.

    Parameters
    ----------
    url
        Local path or URL that the form names, perhaps with wildcards.
    roots
        Allowed folders, buckets or parts of buckets, as paths or URLs.
    setting
        Setting that the errors name.

    Raises
    ------
    SettingsError
        The scheme is not one of `ALLOWED_SCHEMES`, filesystems are chained, the path has a ``..``, or it lies outside
        all roots.
    """
    if "::" in url:
        raise SettingsError(setting, url, "chained URLs ('::') are not allowed here")
    if "\0" in url:
        raise SettingsError(setting, url, "a null character is not allowed")
    scheme = _scheme(url)
    if scheme not in ALLOWED_SCHEMES:
        raise SettingsError(setting, url, f"scheme {scheme!r} is not one of {', '.join(ALLOWED_SCHEMES)}")
    if ".." in url.replace("\\", "/").split("/"):
        raise SettingsError(setting, url, "'..' is not allowed in a source")
    place = _place(url)
    if not any(_is_under(place, _place(root)) for root in roots):
        allowed = ", ".join(roots) if roots else "none"
        raise SettingsError(setting, url, f"is outside the allowed places ({allowed})")


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return scheme if separator else "file"


def _place(url: str) -> tuple[str, ...]:
    """Return the scheme and each step of the path, with a local path as the filesystem would resolve it."""
    scheme = _scheme(url)
    if scheme == "file":
        # fsspec's own reading of the path ("~", "file:" without slashes), since fsspec will open it.
        path = os.path.realpath(LocalFileSystem._strip_protocol(url))
    else:
        path = url.partition("://")[2].rstrip("/")
    return (scheme, *path.split("/")) if path != "/" else (scheme, "")


def _is_under(place: tuple[str, ...], root: tuple[str, ...]) -> bool:
    return place[: len(root)] == root
