"""Suppresses the messages of TensorFlow's import."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STARTING = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} .* (port|cudart_stub|cuda_platform|cpu_feature_guard)\.cc:\d+\]"
    rb"|To enable the following instructions: "
)

_turned = threading.RLock()


@contextmanager
def suppress_startup_log() -> Iterator[None]:
    """Capture standard error, and drop TensorFlow's startup messages after the block.

    The messages come from C++ libraries, so the file descriptor is redirected, for all threads. A second thread waits:
    otherwise it would take the redirected file for the terminal, and leave it in place.
    """
    with _turned, _turned_away():
        yield


@contextmanager
def _turned_away() -> Iterator[None]:
    try:
        terminal = os.dup(2)
    except OSError:  # The file descriptor does not exist.
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            rest = b"".join(line for line in held if not _STARTING.match(line))
            if rest:
                os.write(2, rest)
