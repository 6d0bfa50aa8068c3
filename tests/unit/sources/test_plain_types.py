"""Plain types: layouts, dictionaries and extension types are gone, values and nulls are what they were."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.sources.plain_types import as_plain, plain_type

UUIDS = [uuid.UUID(int=2**100 + 1), None, uuid.UUID(int=5)]


def extension(type_: pa.DataType, values: list[Any], storage: pa.DataType) -> pa.Array:
    return pa.ExtensionArray.from_storage(type_, pa.array(values, storage))


CASES: list[tuple[pa.Array, pa.DataType, list[Any]]] = [
    (pa.array(["a", None, "é"], pa.string_view()), pa.large_string(), ["a", None, "é"]),
    (pa.array([b"a", None], pa.binary_view()), pa.large_binary(), [b"a", None]),
    (pa.array(["a", None, "a"]).dictionary_encode(), pa.string(), ["a", None, "a"]),
    (
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None])),
        pa.string(),
        ["a", "a", None],
    ),
    (pa.array([[1], None, [2, 3]], pa.list_view(pa.int8())), pa.large_list(pa.int8()), [[1], None, [2, 3]]),
    (pa.array([[], None, [None, 3]], pa.large_list_view(pa.int8())), pa.large_list(pa.int8()), [[], None, [None, 3]]),
    (
        pa.array([[("a", 1), ("a", 2)], None, []], pa.map_(pa.string(), pa.int64())),
        pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])),
        [[{"key": "a", "value": 1}, {"key": "a", "value": 2}], None, []],
    ),
    (
        pa.array([each and each.bytes for each in UUIDS], pa.uuid()),
        pa.string(),
        [each and str(each) for each in UUIDS],
    ),
    (extension(pa.json_(), ['{"a":1}', None], pa.string()), pa.string(), ['{"a":1}', None]),
    (extension(pa.bool8(), [1, 0, None], pa.int8()), pa.bool_(), [True, False, None]),
    (
        extension(pa.fixed_shape_tensor(pa.float32(), [2]), [[1, 2], None], pa.list_(pa.float32(), 2)),
        pa.list_(pa.float32(), 2),
        [[1, 2], None],
    ),
    (extension(pa.opaque(pa.int16(), "t", "v"), [1, None], pa.int16()), pa.int16(), [1, None]),
    (
        pa.StructArray.from_arrays(
            [pa.array([UUIDS[0].bytes, None, None], pa.uuid()), pa.array([1, 1, 2], pa.int8())],
            ["u", "n"],
            mask=pa.array([False, True, False]),
        ),
        pa.struct([("u", pa.string()), ("n", pa.int8())]),
        [{"u": str(UUIDS[0]), "n": 1}, None, {"u": None, "n": 2}],
    ),
    (
        pa.array([["a"], None, ["b", None]], pa.list_(pa.string_view())),
        pa.list_(pa.large_string()),
        [["a"], None, ["b", None]],
    ),
    (
        pa.array([["a", "b"], None, ["c", None]], pa.list_(pa.string_view(), 2)),
        pa.large_list(pa.large_string()),
        [["a", "b"], None, ["c", None]],
    ),
]


@pytest.mark.parametrize(("array", "type_", "values"), CASES, ids=[str(case[0].type)[:40] for case in CASES])
def test_each_type_whole_sliced_and_in_parts(array: pa.Array, type_: pa.DataType, values: list[Any]) -> None:
    assert plain_type(array.type) == type_
    assert plain_type(type_) == type_
    for given, expected in ((array, values), (array.slice(1), values[1:]), (array.slice(0, 1), values[:1])):
        plain = as_plain(given)
        plain.validate(full=True)
        assert plain.type == type_
        assert plain.to_pylist() == expected
    parts = as_plain(pa.chunked_array([array, array.slice(1)]))
    assert parts.to_pylist() == values + values[1:]


def test_a_plain_column_is_not_copied() -> None:
    column = pa.chunked_array([pa.array(np.arange(5.0))])
    assert as_plain(column) is column
