"""Reads document ids from a column, and refuses unusable ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from lsh_core.elastic.text_values import MAX_ID_BYTES
from lsh_core.errors import SchemaError
from lsh_core.sources.arrays import AnyArray, Column, as_one_array, null_flags
from lsh_core.sources.common_types import is_text

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Identifiers:
    """The ids of n rows.

    Attributes
    ----------
    ids
        n texts. The id of a refused row is None, empty, or cut to `MAX_ID_BYTES` characters.
    refused
        For each row without a usable id: the kind of error, and a sentence with the figures.
    """

    ids: list[str | None]
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)


def check_id_type(type_: pa.DataType, *, where: str, column: str) -> None:
    """Raise `SchemaError` unless values of the plain type `type_` can be ids.

    `lsh_core.sources.plain_types` makes plain types of others: UUIDs come here as texts.
    """
    if not (is_text(type_) or types.is_integer(type_) or types.is_decimal(type_)):
        raise SchemaError(where, column, f"is {type_}; ids must be strings, UUIDs, integers or whole decimals")


def common_id_type(types_of_files: Sequence[pa.DataType]) -> pa.DataType:
    """Return the type for the ids of all files: their one type, else texts."""
    first = next((each for each in types_of_files if not types.is_null(each)), pa.string())
    return first if all(each in (first, pa.null()) for each in types_of_files) else pa.large_string()


def read_identifiers(column: Column) -> Identifiers:
    """Return the ids in a plain column of strings, integers or decimals; numbers become their digits."""
    array = as_one_array(column)
    refused = {row: ("null_id", "the id is null") for row in np.flatnonzero(null_flags(array)).tolist()}
    if types.is_decimal(array.type):
        return _of_decimals(array, refused)
    array = _as_strings(array)
    try:
        ids: list[str | None] = array.to_pylist()
    except UnicodeDecodeError:
        ids = _decode_each(array, refused)
    for row, size in _wrong_sizes(array).items():
        if size == 0:
            refused[row] = ("empty_id", "the id is an empty text")
        elif row not in refused:
            start = str(ids[row])[:_SHOWN_CHARACTERS]
            reason = f"the id has {size:,} bytes as UTF-8, at most {MAX_ID_BYTES} are possible; it starts {start!r}"
            refused[row] = ("id_too_long", reason)
            ids[row] = str(ids[row])[:MAX_ID_BYTES]
    return Identifiers(ids, refused)


def _as_strings(array: AnyArray) -> AnyArray:
    return array if is_text(array.type) else array.cast(pa.large_string())


def _of_decimals(array: AnyArray, refused: dict[int, tuple[str, str]]) -> Identifiers:
    ids: list[str | None] = []
    for row, number in enumerate(array.to_pylist()):
        if number is None:
            ids.append(None)
            continue
        whole = int(number)
        if whole != number:
            refused[row] = ("id_not_whole", f"the id is {number:f}; a number that is an id must be whole")
        ids.append(str(whole) if whole == number else f"{number:f}")
    return Identifiers(ids, refused)


def _wrong_sizes(array: AnyArray) -> dict[int, int]:
    """Return the size in bytes of each empty or too long id."""
    measured: AnyArray = pc.call_function("binary_length", [array])
    sizes = measured.fill_null(1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero((sizes == 0) | (sizes > MAX_ID_BYTES))
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
            ids.append(raw.decode("utf-8", "backslashreplace")[:MAX_ID_BYTES])
    return ids
