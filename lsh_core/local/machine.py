"""Resources of this machine: memory, disk, and a folder for downloads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lsh_core.errors import StackError

MEBIBYTE = 2**20
NODE_DISK_BYTES = 2**30


def available_memory_bytes() -> int:
    """Return the memory that new processes may take, within the limit of this container."""
    import psutil

    available = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no control group here, or its limit is the word "max"
        return available
    return max(0, min(available, limit - used))


def cache_folder() -> Path:
    """Return the folder that downloads are shared in, made if it is missing.

    ``AIRLSH_CACHE`` where it is set; ``/var/cache/airlsh`` for root, whose home no other account may
    enter; else ``airlsh`` in the user's cache folder.
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


def shared_memory_bytes(part: str, *, wanted: int, least: int, takers: int, share: float) -> int:
    """Return how much memory each of `takers` gets: `wanted`, or less on a small machine.

    Parameters
    ----------
    wanted, least
        Bytes for each: as they should be, and below which it does not work.
    share
        Part of the available memory that all of them may take together, from 0 to 1.
    """
    available = available_memory_bytes()
    each = min(wanted, int(available * share / takers))
    if each < least:
        raise StackError(
            part,
            f"{available // MEBIBYTE:,} MiB of memory are available; {takers} x {least // MEBIBYTE:,} MiB, "
            f"with room to spare for the rest, are needed",
            remedy="End other programs, or start fewer nodes or workers.",
        )
    return each
