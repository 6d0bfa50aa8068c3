from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lsh_core.errors import ModelMismatchError
from lsh_core.models.serialisation import PART_BYTES, Part, dump_array, join_parts, load_array, split_parts


@pytest.mark.parametrize(
    "array", [np.zeros((0, 4), np.float32), np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(3, 5))]
)
def test_arrays_come_back(array):
    back = load_array(dump_array(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert (back == array).all()


def test_objects_are_neither_written_nor_read():
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays"):
        dump_array(objects)
    import io

    pickled = io.BytesIO()
    np.save(pickled, objects, allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_array(pickled.getvalue())


def test_parts_cover_everything_within_their_bound():
    data = bytes(range(256)) * 50_000
    parts = list(split_parts(data))
    assert PART_BYTES == 4 * 2**20
    assert [part.number for part in parts] == [0, 1, 2, 3]
    assert max(len(part.data) for part in parts) == PART_BYTES
    assert all(part.sha256 == hashlib.sha256(part.data).hexdigest() for part in parts)
    assert join_parts(reversed(parts), "it") == data


def test_nothing_is_one_empty_part():
    parts = list(split_parts(b""))
    assert [part.data for part in parts] == [b""]
    assert join_parts(parts, "it") == b""


def test_damage_is_named():
    parts = list(split_parts(b"abcdef", 2))
    with pytest.raises(ModelMismatchError, match="part 1 of array a of model m, as it is stored"):
        join_parts([parts[0], Part(1, b"xx", parts[1].sha256), parts[2]], "array a of model m")
    with pytest.raises(ModelMismatchError, match="expected part 1, given part 2"):
        join_parts([parts[0], parts[2]], "it")
