"""Allows one start or stop at a time per folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsh_core.errors import StackError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a stack's folder.

    The lock is released when the process ends in any way.

    Raises
    ------
    StackError
        Another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(
                "stack",
                f"another process is starting or stopping the stack in {folder}",
                remedy="Wait until it is done, or use another folder.",
            ) from None
        yield
