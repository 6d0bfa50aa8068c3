"""Lists the files of a URL, on any filesystem that fsspec reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lsh_core.errors import SourceError, SourceMissingError, SourceUnavailableError
from lsh_core.sources.feature_folders import feature_files
from lsh_core.sources.left_out import LeftOut, is_hidden
from lsh_core.sources.storage_errors import translate_errors

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
        Bytes; `IRREGULAR` for what is not a file: a dangling link, a pipe, a device.
    version
        Its etag, or its time of modification in nanoseconds; it changes with the content.
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
    SourceUnavailableError
        The storage does not answer; some filesystems connect at once.
    """
    try:
        filesystem, path = url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise SourceError(url, f"cannot be opened: {error}") from error
    except OSError as error:  # Some connect at once.
        raise SourceUnavailableError(url, f"cannot be opened: {error}") from error
    return filesystem, path


def is_local(filesystem: fsspec.AbstractFileSystem) -> bool:
    """Return whether the files can be read by their paths on this machine."""
    return isinstance(filesystem, LocalFileSystem)


@dataclass(frozen=True)
class Listing:
    """The files of a URL.

    Attributes
    ----------
    files
        Sorted by their URLs.
    left_out
        Files that are not read.
    names
        Paths of everything that was seen, hidden names included; local folders have a slash at the end.
    base
        Path of the folder or file, or the part before the first wildcard.
    """

    files: tuple[Listed, ...]
    left_out: LeftOut
    names: frozenset[str]
    base: str


def list_files(url: str, *, irregular: bool = False, linked_folders: bool = True) -> list[Listed]:
    """List the files of `url`, sorted by their URLs; see `list_source`."""
    return list(list_source(url, irregular=irregular, linked_folders=linked_folders).files)


def list_source(url: str, *, irregular: bool = False, linked_folders: bool = True) -> Listing:
    """List the files of `url`, and the files that are left out.

    A folder is listed with all its subfolders. Below the folder, or below the first wildcard of a glob, names that
    start with ``_`` or ``.`` are left out, since writers keep markers and unfinished files there; ``key=value`` folders
    are listed all the same. In a folder that `airlsh features` wrote, the files that its manifest names are listed.

    Parameters
    ----------
    irregular
        Local paths: list entries that are not files, or cannot be looked up, with `IRREGULAR` bytes. By default they
        are errors.
    linked_folders
        Local paths: follow symbolic links to folders, those that match a glob included. If False they are left out.

    Raises
    ------
    SourceMissingError
        Nothing is there, or only hidden names are.
    SourceError
        It cannot be listed.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with translate_errors(url, "cannot be listed", local=is_local(filesystem)):
        filesystem.invalidate_cache(path)
        search = _Search(filesystem, irregular, linked_folders)
        # By URL: a glob such as FOLDER/** matches folders and, once more, the files in them.
        found = {file.url: file for file in search.matching(path)}
        if not found and not _GLOB_CHARACTERS & set(path) and look(filesystem, path) is None:
            raise SourceMissingError(url, "there is no such file or folder")
        names = frozenset(search.left_out | search.seen)
        regular = {name: file for name, file in found.items() if file.size != IRREGULAR}
        kept, folders = feature_files(regular, search.hidden_files(), filesystem.cat_file)
        kept |= {name: found[name] for name in found.keys() - regular.keys()}
        own = tuple(f"{_path_of(filesystem, folder)}/" for folder in folders)
        left_out = LeftOut.of((each for each in search.left_out if not each.startswith(own)), search.base)
    if not kept:
        raise SourceMissingError(url, f"no files are there to read{_all_left_out(left_out)}")
    return Listing(tuple(kept[each] for each in sorted(kept)), left_out, names, search.base)


def _path_of(filesystem: fsspec.AbstractFileSystem, url: str) -> str:
    return url if is_local(filesystem) else str(filesystem._strip_protocol(url))


def _all_left_out(left_out: LeftOut) -> str:
    return f": {left_out}" if left_out.count else "; give a Parquet file or its folder"


def base_of(url: str) -> str:
    """Return the base folder of the files of `url`, ending in a slash.

    The base is the folder itself, the folder of a file, or the part of a glob before its first wildcard.

    Raises
    ------
    SourceError
        It cannot be looked up.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with translate_errors(url, "cannot be looked up", local=is_local(filesystem)):
        info = look(filesystem, path)
        if info is not None and _is_folder(filesystem, path, info):
            base = path
        else:
            base = before_wildcards(path) if info is None and _GLOB_CHARACTERS & set(path) else path.rpartition("/")[0]
    base = base.rstrip("/")
    return f"{base if is_local(filesystem) else filesystem.unstrip_protocol(base).rstrip('/')}/"


def look_up(url: str) -> Listed | None:
    """Return the current file at `url`, or None.

    Raises
    ------
    SourceError
        It cannot be looked up.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    with translate_errors(url, "cannot be looked up", local=is_local(filesystem)):
        filesystem.invalidate_cache(path)
        try:
            return _listed(filesystem, path)
        except FileNotFoundError:
            return None


def look(filesystem: fsspec.AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """Return the entry at `path`, or None. fsspec's own ``exists`` reads a time-out as a missing file."""
    try:
        info: dict[str, Any] = filesystem.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info


def _is_folder(filesystem: fsspec.AbstractFileSystem, path: str, info: dict[str, Any]) -> bool:
    # A glob gives a link to a folder its own type.
    return os.path.isdir(path) if is_local(filesystem) else info["type"] == "directory"


class _Search:
    """One walk through a source; see `list_source`.

    Attributes
    ----------
    base
        Folder below which hidden names count.
    left_out
        Paths that are not read.
    seen
        All other paths; local folders have a slash at the end.
    """

    def __init__(self, filesystem: fsspec.AbstractFileSystem, irregular: bool, linked_folders: bool) -> None:
        self._filesystem, self._irregular, self._linked_folders = filesystem, irregular, linked_folders
        self._real: set[str] = set()
        self.base = ""
        self.left_out: set[str] = set()
        self.seen: set[str] = set()

    def matching(self, path: str) -> Iterator[Listed]:
        # A name that exists is used literally, even if it looks like a glob.
        info = look(self._filesystem, path)
        self.base = before_wildcards(path) if info is None and _GLOB_CHARACTERS & set(path) else path
        if info is not None and _is_folder(self._filesystem, path, info):
            yield from self._below(path)
        elif info is not None:
            yield _listed(self._filesystem, path, info)
        elif _GLOB_CHARACTERS & set(path):
            yield from self._globbed(path)

    def hidden_files(self) -> dict[str, Callable[[], Listed]]:
        """Return a function that looks up each left-out file, by its URL."""
        urls = {
            path if is_local(self._filesystem) else str(self._filesystem.unstrip_protocol(path)): path
            for path in self.left_out
        }
        return {url: partial(_listed, self._filesystem, path) for url, path in urls.items()}

    def _globbed(self, path: str) -> Iterator[Listed]:
        filesystem = self._filesystem
        for found, info in filesystem.glob(path, detail=True).items():
            if not _is_folder(filesystem, found, info):
                if self._is_read(found):
                    yield _listed(filesystem, found, info, irregular=self._irregular)
            elif self._linked_folders or not is_local(filesystem) or not os.path.islink(found):
                # Each of several overlapping matches is walked; a file that occurs twice is listed once.
                self._real.clear()
                yield from self._below(found)
            else:
                self.left_out.add(found)

    def _below(self, folder: str) -> Iterator[Listed]:
        if is_local(self._filesystem):
            paths = self._walk_local(folder)
            yield from (
                _listed(self._filesystem, path, irregular=self._irregular) for path in paths if self._is_read(path)
            )
            return
        for path, info in self._filesystem.find(folder, detail=True).items():
            if info.get("type") != "directory" and not path.endswith("/") and self._is_read(path):
                yield _listed(self._filesystem, path, info)

    def _is_read(self, path: str) -> bool:
        hidden = is_hidden(path, self.base)
        (self.left_out if hidden else self.seen).add(path)
        return not hidden

    def _walk_local(self, folder: str) -> Iterator[str]:
        """Walk a local folder, each real folder once, through symbolic links if they are followed.

        fsspec's own walk stops at linked folders, so their rows would be missing silently.
        """

        def stop(error: OSError) -> None:  # by default os.walk skips unreadable folders
            if not (isinstance(error, FileNotFoundError) and is_hidden(f"{error.filename}/", self.base)):
                raise error  # Writers create and remove hidden folders at any time; they hold no rows.

        for parent, folders, names in os.walk(folder, onerror=stop, followlinks=self._linked_folders):
            self.seen.add(f"{parent}/")
            if self._linked_folders:
                real = os.path.realpath(parent)
                if real in self._real:
                    folders.clear()
                    self.left_out.add(parent)
                    continue
                self._real.add(real)
            else:
                self.left_out.update(path for name in folders if os.path.islink(path := os.path.join(parent, name)))
            yield from (os.path.join(parent, name) for name in names)


def is_glob(filesystem: fsspec.AbstractFileSystem, path: str) -> bool:
    """Return whether `path` has wildcards and no entry has this literal name."""
    return bool(_GLOB_CHARACTERS & set(path)) and look(filesystem, path) is None


def before_wildcards(path: str) -> str:
    """Return the folder before the first wildcard of a path, ending in a slash."""
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
