"""Limits BLAS to one thread while any thread hashes.

Hashing works in blocks that fit the cache of one core. A second BLAS thread makes one query slower (2.6 ms against 0.9
ms for 16,384 lists of 384 dimensions), takes the core of the neighbouring worker, and may change the order of sums, so
that the same seed would give another model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_inside = 0
_limit: Any = None


@cache
def _controller() -> Any:
    # The import costs little, but numpy must be loaded before threadpoolctl looks for BLAS.
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _take_control() -> None:
    """Let this thread set the limit; threadpoolctl 3.8 and later ignores all threads but the last to do so."""
    for library in _controller().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread while the block runs.

    The limit belongs to the process: the first thread to enter sets it, and the last to leave lifts it.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _take_control()
            _limit = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _take_control()
                _limit.restore_original_limits()
                _limit = None
