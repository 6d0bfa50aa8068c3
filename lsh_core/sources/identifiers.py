"""How an Arrow column becomes document ids, and which of them Elasticsearch would not take."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from lsh_core.errors import SchemaError
from lsh_core.sources.arrays import AnyArray, Column, as_one_array, null_flags

MOST_ID_BYTES = 512  # Elasticsearch's limit; one longer id fails its whole bulk request
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Identifiers:
    """The ids of n rows.

    Attributes
    ----------
    ids
        n texts; the id of a refused row is None, empty, or cut to `MOST_ID_BYTES` characters.
    refused
        Of each row that has no usable id: the kind of error and a sentence with the figures.
    """

    ids: list[str | None]
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)


def check_id_type(type_: pa.DataType, *, where: str, column: str) -> None:
    """Raise `SchemaError` unless the values of a column of `type_` can be ids."""
    if types.is_dictionary(type_):
        usable = _is_string(type_.value_type)
    else:
        usable = _is_string(type_) or types.is_integer(type_)
    if not usable:
        raise SchemaError(where, column, f"is {type_}; ids must be strings or integers")


def _is_string(type_: pa.DataType) -> bool:
    return types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)


def read_identifiers(column: Column) -> Identifiers:
    """Turn a column of strings or integers into ids. Integers become their decimal digits."""
    array = _as_strings(as_one_array(column))
    refused = {row: ("null_id", "the id is null") for row in np.flatnonzero(null_flags(array)).tolist()}
    try:
        ids: list[str | None] = array.to_pylist()
    except UnicodeDecodeError:
        ids = _decode_each(array, refused)
    for row, size in _wrong_sizes(array).items():
        if size == 0:
            refused[row] = ("empty_id", "the id is an empty text")
        elif row not in refused:
            start = str(ids[row])[:_SHOWN_CHARACTERS]
            reason = f"the id has {size:,} bytes as UTF-8, at most {MOST_ID_BYTES} are possible; it starts {start!r}"
            refused[row] = ("id_too_long", reason)
            ids[row] = str(ids[row])[:MOST_ID_BYTES]
    return Identifiers(ids, refused)


def _as_strings(array: AnyArray) -> AnyArray:
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if types.is_string(array.type) or types.is_large_string(array.type):
        return array
    return array.cast(pa.large_string())


def _wrong_sizes(array: AnyArray) -> dict[int, int]:
    """Return the bytes of each id that has none, or too many."""
    measured: AnyArray = pc.call_function("binary_length", [array])
    sizes = measured.fill_null(1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero((sizes == 0) | (sizes > MOST_ID_BYTES))
    return dict(zip(rows.tolist(), sizes[rows].tolist(), strict=True))


def _decode_each(array: AnyArray, refused: dict[int, tuple[str, str]]) -> list[str | None]:
    """Decode one by one: Parquet readers do not check that strings are UTF-8."""
    kind = pa.large_binary() if types.is_large_string(array.type) else pa.binary()
    ids: list[str | None] = []
    raws: list[bytes | None] = array.view(kind).to_pylist()
    for row, raw in enumerate(raws):
        if raw is None:
            ids.append(None)
            continue
        try:
            ids.append(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            refused[row] = ("id_not_utf8", f"the id is not UTF-8: {error.reason} at byte {error.start}")
            ids.append(raw.decode("utf-8", "backslashreplace")[:MOST_ID_BYTES])
    return ids
