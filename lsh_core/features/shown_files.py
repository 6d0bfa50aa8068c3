"""Shows stored files under other names, to readers that know nothing of airlsh.

On this machine the files are hard links, and a new set takes the place of the old one by renaming its folder: a reader
finds the old set, the new one or, for a moment, none; never parts of both. A set is made in ``_airlsh``, under names
that nobody reads, so that nothing is written outside the output, and no name moves to another disk. An object store can
rename nothing: there the files are copies, and while one set replaces another, as long as the store takes to copy what
is new, other readers find a part of the rows.
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
    """Make the folder `name` show `files`: stored names, by the names they are shown under.

    Raises
    ------
    FileNotFoundError
        A stored file is gone.
    SourceError, SourceUnavailableError
        They cannot be written.
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
        for _ in range(_TRIES):  # Another run may do the same at the same time.
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
        except OSError:  # No hard links there, as on FAT and some network disks.
            shutil.copy2(output / stored, folder / f"{shown}{_UNREAD}")
    # Last: whoever reads every Parquet file, in folders of any name, would find the rows twice.
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
    """Remove what runs that were killed have left."""
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
    """Return whether a file was copied since `of` was last written, as far as the filesystem tells."""
    if copy.size != of.size:
        return False
    return copy.written_at is None or of.written_at is None or of.written_at <= copy.written_at
