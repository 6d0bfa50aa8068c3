"""Measures resources of this machine, and finds a folder for downloads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lsh_core.errors import StackError

MEBIBYTE = 2**20
NODE_DISK_BYTES = 2**30


def available_memory_bytes() -> int:
    """Return the memory for new processes, within the limit of this container."""
    import psutil

    available = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or its limit is the word "max"
        return available
    return max(0, min(available, limit - used))


def cache_folder() -> Path:
    """Return the shared folder of downloads, created if missing.

    The folder is ``AIRLSH_CACHE`` if set. For root it is ``/var/cache/airlsh``, as other accounts may not enter root's
    home. Otherwise it is ``airlsh`` in the user's cache folder.
    """
    named = os.environ.get("AIRLSH_CACHE")
    if named:
        folder = Path(named)
    elif os.geteuid() == 0:
        folder = Path("/var/cache/airlsh")
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airlsh"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            "cache",
            f"the folder {folder} for downloads cannot be made: {error.strerror}",
            remedy="Set AIRLSH_CACHE to a folder that can be written.",
        ) from error
    return folder.resolve()


def free_disk_bytes(path: Path) -> int:
    """Return the free bytes on the disk of `path`, which need not exist."""
    existing = next(candidate for candidate in (path, *path.parents) if candidate.exists())
    return shutil.disk_usage(existing).free


def check_disk(part: str, path: Path, needed: int) -> None:
    """Raise :class:`StackError` unless `needed` bytes are free where `path` is or will be."""
    free = free_disk_bytes(path)
    if free < needed:
        raise StackError(
            part,
            f"{path} has {free // MEBIBYTE:,} MiB free, {needed // MEBIBYTE:,} MiB are needed",
            remedy="Free some space, or keep the stack in another folder.",
        )


def shared_memory_bytes(part: str, *, wanted: int, minimum: int, takers: int, share: float) -> int:
    """Return the memory for each of `takers`: `wanted`, or less on a small machine.

    Parameters
    ----------
    wanted, minimum
        Wanted and minimum bytes for each.
    share
        Share of the available memory for all of them together, from 0 to 1.
    """
    available = available_memory_bytes()
    each = min(wanted, int(available * share / takers))
    if each < minimum:
        raise StackError(
            part,
            f"{available // MEBIBYTE:,} MiB of memory are available; {takers} x {minimum // MEBIBYTE:,} MiB, "
            f"with room to spare for the rest, are needed",
            remedy="End other programs, or start fewer nodes or workers.",
        )
    return each
