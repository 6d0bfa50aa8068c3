"""Publishes stored files under other names, for plain Parquet readers.

On this machine the files are hard links, and a new set replaces the old one by renaming its folder. A reader sees the
old set, the new set or, for a moment, none; never parts of both. A set is prepared in ``_airlsh``, so that nothing is
written outside the output, and no rename crosses disks. Object stores have no rename: there the files are copies, and
other readers see a part of the rows while new files are copied.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lsh_core.features.output_folder import OutputFolder, WrittenFile
from lsh_core.sources.feature_folders import OWN

_COPYING_THREADS = 16
_TRIES = 20
_LEFT_BEHIND_SECONDS = 86_400
_UNREAD = ".pq"


def show_files(folder: OutputFolder, name: str, files: Mapping[str, str]) -> None:
    """Make the folder `name` show `files`, a map from shown to stored names.

    Raises
    ------
    FileNotFoundError
        A stored file is gone.
    SourceError, SourceUnavailableError
        The files cannot be written.
    """
    if folder.is_local:
        with folder.translate_errors(name, "cannot be written"):
            _show_local(Path(folder.place("")), name, files)
    else:
        _show_remote(folder, name, files)


def _show_local(output: Path, name: str, files: Mapping[str, str]) -> None:
    view = output / name
    if _is_shown(output, view, files):
        return
    stem = f"_shown-{name}-"
    _remove_left_behind(output / OWN, stem)
    made, replaced = (output / OWN / f"{stem}{secrets.token_hex(8)}" for _ in range(2))
    try:
        _make(made, output, files)
        for _ in range(_TRIES):  # Another run may publish at the same time.
            with suppress(FileNotFoundError):
                os.rename(view, replaced)
            if not files:
                return
            with suppress(OSError):
                os.rename(made, view)
                return
            shutil.rmtree(replaced, ignore_errors=True)
        os.rename(made, view)
    finally:
        for each in (made, replaced):
            shutil.rmtree(each, ignore_errors=True)


def _make(folder: Path, output: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True)
    for shown, stored in files.items():
        try:
            os.link(output / stored, folder / f"{shown}{_UNREAD}")
        except FileNotFoundError:
            raise
        except OSError:  # The filesystem has no hard links, as FAT and some network disks.
            shutil.copy2(output / stored, folder / f"{shown}{_UNREAD}")
    # Last, since readers that search folders of any name would find the rows twice.
    for shown in files:
        os.rename(folder / f"{shown}{_UNREAD}", folder / shown)


def _is_shown(output: Path, view: Path, files: Mapping[str, str]) -> bool:
    there = {path.name: path.stat() for path in view.iterdir()} if view.is_dir() else {}
    if there.keys() != files.keys() or (not files and view.is_dir()):
        return False
    stored = {shown: (output / name).stat() for shown, name in files.items()}
    return all(
        os.path.samestat(there[shown], status)
        or (there[shown].st_size, there[shown].st_mtime_ns) == (status.st_size, status.st_mtime_ns)
        for shown, status in stored.items()
    )


def _remove_left_behind(parent: Path, stem: str) -> None:
    """Remove the files of killed runs."""
    for path in parent.glob(f"{stem}*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _LEFT_BEHIND_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _show_remote(folder: OutputFolder, name: str, files: Mapping[str, str]) -> None:
    there = folder.files(name)
    stored: dict[str, WrittenFile] = {}
    for part in {each.rpartition("/")[0] for each in files.values()}:
        stored |= folder.files(part)
    kept = {
        shown
        for shown, each in files.items()
        if each in stored and f"{name}/{shown}" in there and _is_copy(there[f"{name}/{shown}"], stored[each])
    }
    folder.delete(each for each in there if each.rpartition("/")[2] not in kept)
    new = [(each, f"{name}/{shown}") for shown, each in files.items() if shown not in kept]
    with ThreadPoolExecutor(_COPYING_THREADS) as pool:
        list(pool.map(lambda pair: folder.copy(*pair), new))


def _is_copy(copy: WrittenFile, of: WrittenFile) -> bool:
    """Return whether a file was copied after `of` was last written, by the filesystem's times."""
    if copy.size != of.size:
        return False
    return copy.written_at is None or of.written_at is None or of.written_at <= copy.written_at
