"""Cuts rows into batches that fit the memory of a device."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from lsh_core.errors import DeviceMemoryError
from lsh_core.features.encoder import Float32Array

_log = logging.getLogger(__name__)


class Batches:
    """Cuts rows into batches, and halves them when the device runs out of memory.

    Parameters
    ----------
    size
        Rows of a batch at first.
    device
        Device that errors name.
    """

    def __init__(self, size: int, device: str) -> None:
        self.size, self.device = size, device

    def run(self, rows: int, dims: int, forward: Callable[[slice], Float32Array]) -> Float32Array:
        """Call `forward` for one slice of rows after the other, and join the results.

        Returns
        -------
        (rows, dims) float32

        Raises
        ------
        DeviceMemoryError
            A single row does not fit the memory.
        """
        found = np.empty((rows, dims), dtype=np.float32)
        start = 0
        while start < rows:
            part = slice(start, min(start + self.size, rows))
            if self._fits(part, found, forward):
                start = part.stop
        return found

    def first(self, forward: Callable[[], Float32Array]) -> Float32Array:
        """Call `forward` for a single first row, and return its result; raises as `run`."""
        try:
            return forward()
        except Exception as error:
            if _is_out_of_memory(error):
                raise self._too_little(error) from error
            raise

    def _too_little(self, error: Exception) -> DeviceMemoryError:
        return DeviceMemoryError(self.device, str(error).partition("\n")[0][:300])

    def _fits(self, part: slice, found: Float32Array, forward: Callable[[slice], Float32Array]) -> bool:
        try:
            found[part] = forward(part)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            rows = part.stop - part.start
            if rows == 1:
                raise self._too_little(error) from error
            # Another thread may have halved the size meanwhile.
            self.size = min(self.size, rows // 2)
            _log.warning("%s has not the memory for %d rows at once: going on with %d", self.device, rows, self.size)
            return False
        return True


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an error reports exhausted memory, by its class or by its text."""
    kind = type(error).__name__
    return kind == "ResourceExhaustedError" or (
        kind in ("InternalError", "UnknownError") and "out of memory" in str(error).lower().replace("_", " ")
    )
