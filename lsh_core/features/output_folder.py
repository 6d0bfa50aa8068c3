"""Output folder of features, on any filesystem that fsspec supports.

Nothing relies on renames, as object stores have none. Files appear whole: an object store publishes an object when its
upload ends, and on this machine a hidden file is renamed when it is complete. On other filesystems a truncated file is
detected by its missing footer; see `lsh_core.features.chunk_files`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.writable_folders import check_writable, complete_file, inside, write_whole

_CHANGED_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True)
class WrittenFile:
    """File of the folder, with its size in bytes and, if known, its time."""

    name: str
    size: int
    written_at: datetime | None


class OutputFolder:
    """Files under one URL, by relative names such as ``_airlsh/chunks/0123abcd.pq``.

    Every method raises `SourceError` if the filesystem refuses, and `SourceUnavailableError` if it does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._filesystem, self._path = open_filesystem(url)
        self._local = is_local(self._filesystem)

    @property
    def is_local(self) -> bool:
        """True for a folder on this machine."""
        return self._local

    def translate_errors(self, name: str, what: str) -> AbstractContextManager[None]:
        """Turn errors of the filesystem into errors of airlsh, except ``FileNotFoundError``."""
        return _translated_but_missing(self.place(name), what, self._local)

    def copy(self, name: str, to: str) -> None:
        """Copy a file, replacing the target; raise ``FileNotFoundError`` if it is gone."""
        with self.translate_errors(to, "cannot be written"):
            target = inside(self._path, to)
            self._filesystem.makedirs(os.path.dirname(target), exist_ok=True)
            self._filesystem.cp_file(inside(self._path, name), target)

    def check_writable(self) -> None:
        """Create the folder if it is missing, and check that it is writable."""
        check_writable(self.url)

    def place(self, name: str) -> str:
        """Return the local path or the URL of a file."""
        path = inside(self._path, name)
        return path if self._local else str(self._filesystem.unstrip_protocol(path))

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a whole file."""
        with self._writing(name) as path:
            write_whole(self._filesystem, path, data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists; return whether it was written.

        On this machine one of two concurrent writers succeeds. On other filesystems both may succeed, and the later
        file stays.
        """
        with self._writing(name) as path:
            if not self._local:
                self._filesystem.invalidate_cache(path)
                if self._filesystem.exists(path):
                    return False
                self._filesystem.pipe_file(path, data)
                return True
            with complete_file(path, data) as written:
                try:
                    os.link(written, path)
                except FileExistsError:
                    return False
                except OSError:  # The filesystem has no hard links, as FAT and some network disks.
                    return _create_in_place(path, data)
                return True

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None."""
        with translate_errors(self.place(name), "cannot be read", local=self._local):
            try:
                data: bytes = self._filesystem.cat_file(inside(self._path, name))
            except FileNotFoundError:
                return None
            return data

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None."""
        path = inside(self._path, name)
        with translate_errors(self.place(name), "cannot be looked up", local=self._local):
            self._filesystem.invalidate_cache(path)
            try:
                return int(self._filesystem.info(path)["size"])
            except FileNotFoundError:
                return None

    def files(self, folder: str, *, hidden: bool = False) -> dict[str, WrittenFile]:
        """Return the files of a subfolder by relative names; only unfinished ones if `hidden`."""
        path = inside(self._path, folder)
        with translate_errors(self.place(folder), "cannot be listed", local=self._local):
            self._filesystem.invalidate_cache(path)
            try:
                found = self._filesystem.ls(path, detail=True)
            except FileNotFoundError:
                return {}
        listed: dict[str, WrittenFile] = {}
        for info in found:
            name = PurePosixPath(info["name"]).name
            if info["type"] == "file" and name.startswith(".") == hidden:
                listed[f"{folder}/{name}"] = WrittenFile(f"{folder}/{name}", int(info["size"]), _written_at(info))
        return listed

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; missing files are ignored."""
        for name in names:
            with (
                translate_errors(self.place(name), "cannot be deleted", local=self._local),
                suppress(FileNotFoundError),
            ):
                self._filesystem.rm_file(inside(self._path, name))

    @contextmanager
    def _writing(self, name: str) -> Iterator[str]:
        path = inside(self._path, name)
        with translate_errors(self.place(name), "cannot be written", local=self._local):
            self._filesystem.makedirs(os.path.dirname(path), exist_ok=True)
            yield path


@contextmanager
def _translated_but_missing(place: str, what: str, local: bool) -> Iterator[None]:
    missing: FileNotFoundError | None = None
    with translate_errors(place, what, local=local):
        try:
            yield
        except FileNotFoundError as error:
            missing = error
    if missing is not None:
        raise missing


def _create_in_place(path: str, data: bytes) -> bool:
    """Write a file unless it exists, under its final name: a killed writer may leave a part of it."""
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _written_at(info: dict[str, Any]) -> datetime | None:
    for key in _CHANGED_KEYS:
        when = info.get(key)
        if isinstance(when, datetime):
            return when if when.tzinfo else when.replace(tzinfo=UTC)
        if isinstance(when, int | float):
            return datetime.fromtimestamp(when, UTC)
        if isinstance(when, str):
            with suppress(ValueError):
                return datetime.fromisoformat(when)
    return None
