"""Which files a URL means: one file, a folder, or a glob, on any filesystem that fsspec reads."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lsh_core.errors import SourceError, SourceMissingError
from lsh_core.sources.failures import judged
from lsh_core.sources.feature_folders import without_unnamed

logger = logging.getLogger(__name__)

IRREGULAR = -1
_VERSION_KEYS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated")
_GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Listed:
    """One file as the filesystem lists it.

    Attributes
    ----------
    url
        Where it is: a plain path on this machine, a URL elsewhere.
    size
        Bytes; `IRREGULAR` of what is no file: a link that leads nowhere, a pipe, a device.
    version
        Its etag, or its time of modification in nanoseconds: another text for other content.
    """

    url: str
    size: int
    version: str


def open_filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the filesystem of `url` and the path in it.

    Raises
    ------
    SourceError
        The scheme is unknown, or its package is not installed.
    """
    try:
        filesystem, path = url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SourceError(url, f"cannot be opened: {error}") from error
    return filesystem, path


def is_local(filesystem: fsspec.AbstractFileSystem) -> bool:
    """Whether the files can be read by their paths on this machine."""
    return isinstance(filesystem, LocalFileSystem)


def list_files(url: str, *, irregular: bool = False, linked_folders: bool = True) -> list[Listed]:
    """List the files that `url` means, sorted by their URLs.

    A folder is listed with all its subfolders. Below the folder, or below the first wildcard of a
    glob, names that start with ``_`` or ``.`` are left out: writers keep their markers and
    unfinished files there. Of a folder that `airlsh features` wrote, what its manifest names is listed.

    Parameters
    ----------
    irregular
        On this machine: list what is in a folder, or matches a glob, and is no file or cannot be looked at, with
        `IRREGULAR` bytes. By default it is an error.
    linked_folders
        On this machine: list what is in folders that links in a folder, or such that match a glob, lead to. Otherwise
        they are left out, and logged.

    Raises
    ------
    SourceMissingError
        Nothing is there, or nothing is left after the hidden names.
    SourceError
        It cannot be listed.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with judged(url, "cannot be listed", local=is_local(filesystem)):
        filesystem.invalidate_cache(path)
        # By URL: a glob such as FOLDER/** matches folders and, once more, the files in them.
        found = {file.url: file for file in _matching(filesystem, path, _Rules(irregular, linked_folders))}
        files = {url: file for url, file in found.items() if file.size != IRREGULAR}
        kept = without_unnamed(files, filesystem.cat_file) | (found.keys() - files.keys())
        if not found and not _GLOB_CHARACTERS & set(path) and _look(filesystem, path) is None:
            raise SourceMissingError(url, "there is no such file or folder")
    if not found:
        raise SourceMissingError(
            url, "no files are there (names that start with '_' or '.' do not count); give a Parquet file or its folder"
        )
    return [found[each] for each in sorted(kept)]


def base_of(url: str) -> str:
    """Return what the URLs of the files that `url` means have in common because of it, with a slash at its end.

    The folder itself, the folder of a file, or what comes before the first wildcard of a glob.

    Raises
    ------
    SourceError
        It cannot be looked up.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with judged(url, "cannot be looked up", local=is_local(filesystem)):
        info = _look(filesystem, path)
        if info is not None and _is_folder(filesystem, path, info):
            base = path
        else:
            base = _before_wildcards(path) if info is None and _GLOB_CHARACTERS & set(path) else path.rpartition("/")[0]
    base = base.rstrip("/")
    return f"{base if is_local(filesystem) else filesystem.unstrip_protocol(base).rstrip('/')}/"


def look_up(url: str) -> Listed | None:
    """Return the file at `url` as it is now, or None where there is none.

    Raises
    ------
    SourceError
        It cannot be looked up.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with judged(url, "cannot be looked up", local=is_local(filesystem)):
        filesystem.invalidate_cache(path)
        try:
            return _listed(filesystem, path)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class _Rules:
    """See `list_files`."""

    irregular: bool
    linked_folders: bool


def _matching(filesystem: fsspec.AbstractFileSystem, path: str, rules: _Rules) -> Iterator[Listed]:
    # A name that exists is taken as it is, even if it looks like a glob.
    info = _look(filesystem, path)
    if info is not None and _is_folder(filesystem, path, info):
        yield from _below(filesystem, path, path, rules)
    elif info is not None:
        yield _listed(filesystem, path, info)
    elif _GLOB_CHARACTERS & set(path):
        base = _before_wildcards(path)
        for found, info in filesystem.glob(path, detail=True).items():
            if _is_hidden(found, base):
                continue
            if not _is_folder(filesystem, found, info):
                yield _listed(filesystem, found, info, irregular=rules.irregular)
            elif rules.linked_folders or not is_local(filesystem) or not os.path.islink(found):
                yield from _below(filesystem, found, base, rules)
            else:
                _say_left_out(found, 1)


def _look(filesystem: fsspec.AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return what is at `path`, None where nothing is; fsspec's own ``exists`` takes a time-out for nothing."""
    try:
        info: dict[str, Any] = filesystem.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info


def _is_folder(filesystem: fsspec.AbstractFileSystem, path: str, info: dict[str, Any]) -> bool:
    # A glob gives a link to a folder its own type.
    return os.path.isdir(path) if is_local(filesystem) else info["type"] == "directory"


def _below(filesystem: fsspec.AbstractFileSystem, folder: str, base: str, rules: _Rules) -> Iterator[Listed]:
    if is_local(filesystem):
        paths = _walk_local(folder, rules)
        shown = (path for path in paths if not _is_hidden(path, base))
        yield from (_listed(filesystem, path, irregular=rules.irregular) for path in shown)
        return
    for path, info in filesystem.find(folder, detail=True).items():
        if info.get("type") != "directory" and not path.endswith("/") and not _is_hidden(path, base):
            yield _listed(filesystem, path, info)


def _walk_local(folder: str, rules: _Rules) -> Iterator[str]:
    """Walk a folder of this machine through symbolic links, if they are to be followed, each real folder once.

    fsspec's own walk stops at linked folders, and their rows would be missing without a word.
    """

    def stop(error: OSError) -> None:  # by default os.walk goes on without what it may not read
        raise error

    seen: set[str] = set()
    left_out: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=stop, followlinks=rules.linked_folders):
        if rules.linked_folders:
            real = os.path.realpath(parent)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
        else:
            left_out += [path for name in folders if os.path.islink(path := os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in names)
    if left_out:
        _say_left_out(left_out[0], len(left_out))


def _say_left_out(link: str, count: int) -> None:
    others = f", nor are {count - 1} others" if count > 1 else ""
    logger.warning("%s is a link to a folder, which is not followed%s", link, others)


def _is_hidden(path: str, base: str) -> bool:
    relative = path[len(base) :] if path.startswith(base) else path
    return any(part.startswith(("_", ".")) and part not in {".", ".."} for part in PurePosixPath(relative).parts)


def _before_wildcards(path: str) -> str:
    first = min(path.index(character) for character in _GLOB_CHARACTERS if character in path)
    return path[: path.rfind("/", 0, first) + 1]


def _listed(
    filesystem: fsspec.AbstractFileSystem, path: str, info: dict[str, Any] | None = None, *, irregular: bool = False
) -> Listed:
    if is_local(filesystem):
        try:
            return _of_file(path)
        except OSError:
            if not irregular:
                raise
            return Listed(path, IRREGULAR, "")
    info = info or filesystem.info(path)
    return Listed(filesystem.unstrip_protocol(path), int(info["size"]), _version(filesystem, path, info))


def _of_file(path: str) -> Listed:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is not a regular file")
    return Listed(path, status.st_size, str(status.st_mtime_ns))


def _version(filesystem: fsspec.AbstractFileSystem, path: str, info: dict[str, Any]) -> str:
    for key in _VERSION_KEYS:
        if info.get(key):
            return _as_text(info[key])
    try:
        return _as_text(filesystem.modified(path))
    except (NotImplementedError, KeyError):
        return ""


def _as_text(version: object) -> str:
    if isinstance(version, datetime):
        return version.isoformat()
    if isinstance(version, float):
        return str(int(version * 1e9))
    return str(version).strip('"')
