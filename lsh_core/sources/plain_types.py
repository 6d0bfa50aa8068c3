"""Plain Arrow types: one spelling for types that differ in layout alone.

Writers choose views, dictionaries, run ends and extension types freely. The readers of this package turn them into
plain types.

==========================================  =========================================
as it is written                            plain
==========================================  =========================================
dictionary, run-end encoded                 its values
string_view, binary_view                    large_string, large_binary
list_view, large_list_view                  large_list
map                                         list of structs with ``key`` and ``value``
``arrow.uuid``                              string: the canonical text
``arrow.json``                              string: the JSON text
``arrow.bool8``                             bool
``arrow.fixed_shape_tensor``                fixed_size_list, row by row
any other extension type                    its storage
==========================================  =========================================
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from lsh_core.sources.arrays import AnyArray, AnyType, Column, as_one_array, null_flags

_UUID_BYTES = 16
_UUID_DASHES = (8, 12, 16, 20)


def plain_type(type_: AnyType) -> AnyType:
    """Return the plain type of `type_`, which may be `type_` itself."""
    if isinstance(type_, pa.BaseExtensionType):
        return _plain_extension(type_)
    if isinstance(type_, pa.DictionaryType | pa.RunEndEncodedType):
        return plain_type(type_.value_type)
    if isinstance(type_, pa.MapType):
        return pa.list_(pa.struct([("key", plain_type(type_.key_type)), ("value", plain_type(type_.item_type))]))
    if isinstance(type_, pa.StructType):
        return pa.struct([field.with_type(plain_type(field.type)) for field in type_])
    if types.is_string_view(type_):
        return pa.large_string()
    if types.is_binary_view(type_):
        return pa.large_binary()
    return _plain_list(type_)


def as_plain(column: Column) -> Column:
    """Return the column with its plain type; a plain column is returned unchanged."""
    return column if plain_type(column.type) == column.type else _plain(as_one_array(column))


def plain_table(table: pa.Table) -> pa.Table:
    """Return the table with plain columns."""
    return pa.table({name: as_plain(table.column(name)) for name in table.column_names})


def list_from_lengths(array: Any, values: AnyArray, type_: AnyType) -> AnyArray:
    """Return lists of `values` with the lengths and nulls of `array`.

    Parameters
    ----------
    array
        n lists of any kind.
    values
        Converted values of ``array.flatten()``: those of all lists but the null ones.
    type_
        ``list`` or ``large_list`` of the type of `values`.
    """
    borders = np.concatenate(([0], np.cumsum(list_lengths(array))))
    kind: Any = pa.ListArray if isinstance(type_, pa.ListType) else pa.LargeListArray
    offsets = pa.array(borders, pa.int32() if kind is pa.ListArray else pa.int64())
    lists: AnyArray = kind.from_arrays(offsets, values, type_, mask=array.is_null())
    return lists


def list_lengths(array: Any) -> npt.NDArray[np.int64]:
    """Return the number of items of each list, (n,) int64; a null list has none."""
    lengths = pc.call_function("list_value_length", [array]).fill_null(0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def is_list(type_: pa.DataType) -> bool:
    """Return whether `type_` is one of the plain lists."""
    return isinstance(type_, pa.ListType | pa.LargeListType | pa.FixedSizeListType)


def _plain_extension(type_: AnyType) -> AnyType:
    if isinstance(type_, pa.UuidType):
        return pa.string()
    if isinstance(type_, pa.Bool8Type):
        return pa.bool_()
    return plain_type(type_.storage_type)


def _plain_list(type_: AnyType) -> AnyType:
    if isinstance(type_, pa.ListViewType | pa.LargeListViewType):
        return pa.large_list(plain_type(type_.value_type))
    if not is_list(type_):
        return type_
    value: pa.DataType = plain_type(type_.value_type)
    if value == type_.value_type:
        return type_
    return pa.list_(value) if isinstance(type_, pa.ListType) else pa.large_list(value)


def _plain(array: Any) -> AnyArray:
    plain: AnyType = plain_type(array.type)
    if plain == array.type:
        one: AnyArray = array
        return one
    if isinstance(array, pa.ExtensionArray):
        return _from_extension(array)
    if isinstance(array, pa.DictionaryArray):
        return _plain(array.dictionary_decode())
    if isinstance(array, pa.RunEndEncodedArray):
        return _plain(pc.call_function("run_end_decode", [array]))
    if isinstance(array, pa.StructArray):
        return pa.StructArray.from_arrays(
            list(map(_plain, array.flatten())),
            fields=[plain.field(place) for place in range(plain.num_fields)],
            mask=array.is_null(),
        )
    if isinstance(array, pa.MapArray):
        return _from_map(array, plain)
    if pa.types.is_nested(array.type):
        # A cast is not used: Arrow's cast of list views loses the lists after a null one.
        return list_from_lengths(array, _plain(array.flatten()), plain)
    cast: AnyArray = array.cast(plain)
    return cast


def _from_extension(array: Any) -> AnyArray:
    if isinstance(array.type, pa.UuidType):
        return _uuid_texts(array.storage)
    if isinstance(array.type, pa.Bool8Type):
        converted: AnyArray = array.storage.cast(pa.bool_())
        return converted
    storage: AnyArray = _plain(array.storage)
    return storage


def _from_map(array: Any, plain: pa.DataType) -> AnyArray:
    pairs = array.cast(pa.list_(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])))
    return list_from_lengths(pairs, _plain(pairs.flatten()), plain)


def _uuid_texts(storage: Any) -> AnyArray:
    nulls = null_flags(storage)
    digits = b"".join(raw or bytes(_UUID_BYTES) for raw in storage.to_pylist()).hex()
    borders = (0, *_UUID_DASHES, 2 * _UUID_BYTES)
    starts = range(0, len(digits), 2 * _UUID_BYTES)
    texts = ["-".join(digits[start + a : start + b] for a, b in pairwise(borders)) for start in starts]
    return pa.array(texts, pa.string(), mask=np.asarray(nulls))
