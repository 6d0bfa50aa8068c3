"""A device that runs out of memory gets smaller batches, and no row is lost or doubled."""

from __future__ import annotations

import numpy as np
import pytest

from lsh_core.errors import DeviceMemoryError
from lsh_core.features.batches import Batches
from lsh_core.features.encoder import Float32Array


class ResourceExhaustedError(Exception):
    """As TensorFlow's own is called."""


class SmallDevice:
    """Runs out of memory with more than `room` rows."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room, self.sizes = room, list[int]()
        self.error = error or ResourceExhaustedError("OOM when allocating tensor with shape[64]\nand pages more")

    def forward(self, part: slice) -> Float32Array:
        self.sizes.append(part.stop - part.start)
        if self.sizes[-1] > self.room:
            raise self.error
        return np.arange(part.start, part.stop, dtype=np.float32)[:, np.newaxis] * [1, 2]


@pytest.mark.parametrize(("rows", "size", "room"), [(0, 4, 4), (1, 4, 4), (10, 4, 4), (10, 64, 3), (7, 7, 1)])
def test_every_row_is_there_once(rows: int, size: int, room: int) -> None:
    device = SmallDevice(room)
    found = Batches(size, "GPU").run(rows, 2, device.forward)
    assert found.dtype == np.float32
    assert found.tolist() == [[row, 2 * row] for row in range(rows)]


def test_it_is_halved_until_it_fits_and_stays_so() -> None:
    device, batches = SmallDevice(room=10), Batches(64, "GPU")
    batches.run(100, 2, device.forward)
    assert device.sizes[:4] == [64, 32, 16, 8]
    assert max(device.sizes[3:]) == 8
    batches.run(100, 2, device.forward)
    assert device.sizes.count(64) == 1


def test_a_short_last_batch_that_does_not_fit_is_halved_too() -> None:
    device, batches = SmallDevice(room=4), Batches(64, "GPU")
    batches.run(9, 2, device.forward)
    assert device.sizes == [9, 4, 4, 1]


def test_a_row_that_does_not_fit_alone_ends_it() -> None:
    with pytest.raises(DeviceMemoryError, match=r"GPU lacks the memory for one row.*shape\[64\]$"):
        Batches(8, "GPU").run(3, 2, SmallDevice(room=0).forward)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    device = SmallDevice(room=0, error=ValueError("out of memory"))
    with pytest.raises(ValueError, match="out of memory"):
        Batches(8, "GPU").run(3, 2, device.forward)
    assert device.sizes == [3]


def test_a_library_below_tensorflow_says_it_in_words() -> None:
    class InternalError(Exception):
        pass

    device = SmallDevice(room=2, error=InternalError("Failed to allocate: CUDA_ERROR_OUT_OF_MEMORY"))
    assert Batches(8, "GPU").run(5, 2, device.forward).shape == (5, 2)
