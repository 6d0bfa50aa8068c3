"""Maps Arrow types to Elasticsearch fields, and casts columns to JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lsh_core.choices import listed
from lsh_core.errors import SchemaError, SettingsError
from lsh_core.sources.arrays import AnyType
from lsh_core.sources.common_types import is_text
from lsh_core.sources.plain_types import is_list, list_from_lengths

KEYWORD_BYTES = 8191
"""Maximum length of an indexed keyword value, in characters.

A longer value stays in the document but is not searchable. The server's limit is 32,766 bytes, and a character takes up
to four bytes.
"""

_DATE_FORMAT = "strict_date_optional_time||epoch_millis"
_NUMBER_OPTIONS = {"coerce": False}
_NUMBERS = frozenset({"byte", "short", "integer", "long", "half_float", "float", "double"})

_TABLE: tuple[tuple[Callable[[pa.DataType], bool], dict[str, Any]], ...] = (
    (pa.types.is_boolean, {"type": "boolean"}),
    (pa.types.is_int8, {"type": "byte", **_NUMBER_OPTIONS}),
    (pa.types.is_int16, {"type": "short", **_NUMBER_OPTIONS}),
    (pa.types.is_uint8, {"type": "short", **_NUMBER_OPTIONS}),
    (pa.types.is_int32, {"type": "integer", **_NUMBER_OPTIONS}),
    (pa.types.is_uint16, {"type": "integer", **_NUMBER_OPTIONS}),
    (pa.types.is_int64, {"type": "long", **_NUMBER_OPTIONS}),
    (pa.types.is_uint32, {"type": "long", **_NUMBER_OPTIONS}),
    # Not `long`, which ends at 2^63. Not `unsigned_long`, which some distributions lack. A keyword suffices, because
    # hashes are only looked up exactly.
    (pa.types.is_uint64, {"type": "keyword", "ignore_above": KEYWORD_BYTES}),
    (pa.types.is_duration, {"type": "long", **_NUMBER_OPTIONS}),
    (pa.types.is_float16, {"type": "half_float", **_NUMBER_OPTIONS}),
    (pa.types.is_float32, {"type": "float", **_NUMBER_OPTIONS}),
    (pa.types.is_float64, {"type": "double", **_NUMBER_OPTIONS}),
    (pa.types.is_decimal, {"type": "keyword", "ignore_above": KEYWORD_BYTES}),
    (pa.types.is_date, {"type": "date", "format": _DATE_FORMAT}),
    (pa.types.is_time, {"type": "keyword", "ignore_above": KEYWORD_BYTES}),
    (is_text, {"type": "keyword", "ignore_above": KEYWORD_BYTES}),
    (
        lambda arrow: (
            pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow) or pa.types.is_fixed_size_binary(arrow)
        ),
        {"type": "binary"},
    ),
)

_TAKEN_NAMES = frozenset(
    {
        "airlsh",
        "_data_stream_timestamp",
        "_doc",
        "_doc_count",
        "_field_names",
        "_id",
        "_ignored",
        "_ignored_source",
        "_index",
        "_inference_fields",
        "_nested_path",
        "_routing",
        "_score",
        "_seq_no",
        "_shard_doc",
        "_size",
        "_source",
        "_tier",
        "_ts_routing_hash",
        "_tsid",
        "_version",
    }
)
"""Reserved names: airlsh's own object, and the server's metadata fields and sort keys. Other names may begin with an
underscore.
"""

OVERRIDES = _NUMBERS | {"boolean", "keyword", "text", "date", "date_nanos", "ip", "binary", "geo_point"}
"""Types that ``--field-type COLUMN=TYPE`` accepts."""


def field_for(source: str, column: str, arrow: AnyType) -> dict[str, Any]:
    """Return the mapping of the field for `column`, a column of the plain type `arrow`.

    A list maps as its elements do, because every Elasticsearch field may hold many values. JSON has no NaN and no
    infinity: a row with such a value is indexed without the value.

    Raises
    ------
    SchemaError
        No Elasticsearch type holds this Arrow type without loss.
    """
    if is_list(arrow):
        return field_for(source, column, arrow.value_type)
    if pa.types.is_struct(arrow):
        return {
            "dynamic": "strict",
            "properties": {child.name: field_for(source, f"{column}.{child.name}", child.type) for child in arrow},
        }
    if pa.types.is_timestamp(arrow):
        # Not `date_nanos`, which begins in 1970: pandas writes nanoseconds for dates of any year.
        return {"type": "date"}
    if pa.types.is_null(arrow):
        return {"type": "keyword", "ignore_above": KEYWORD_BYTES}
    for matches, field in _TABLE:
        if matches(arrow):
            return dict(field)
    raise SchemaError(
        source, column, f"has type {arrow}, which no Elasticsearch field holds; leave it out with --columns"
    )


def fields_for(
    source: str, schema: pa.Schema, *, vector: str, text: Sequence[str] = (), overrides: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the ``properties`` of the mapping for all columns of `schema` except `vector`.

    A text column is indexed as full text, and as a keyword under ``<column>.keyword`` for filters.

    Raises
    ------
    SchemaError
        A column cannot be a field, or collides with another column: ``a.b`` is a field inside ``a``.
    """
    overrides = overrides or {}
    for column in (*text, *overrides):
        if column not in schema.names:
            raise SchemaError(source, column, f"is not among the columns kept ({listed(schema.names)})")
    taken = {vector, *schema.names}
    fields = {}
    for field in schema:
        if not is_field_name(field.name):
            raise SchemaError(source, field.name, "cannot be the name of a field; leave it out with --columns")
        parts = field.name.split(".")
        outer = next((each for each in accumulate(parts[:-1], "{}.{}".format) if each in taken), None)
        if outer is not None:
            raise SchemaError(source, field.name, f"would be a field inside {outer!r}; leave one out with --columns")
        if field.name in text:
            fields[field.name] = _text_field()
        elif field.name in overrides:
            fields[field.name] = _override(overrides[field.name])
        else:
            fields[field.name] = field_for(source, field.name, field.type)
    return fields


def parse_overrides(pairs: Sequence[str]) -> dict[str, str]:
    """Parse ``COLUMN=TYPE`` pairs.

    Any other text raises `SettingsError`.
    """
    overrides = {}
    for pair in pairs:
        column, equals, kind = pair.rpartition("=")
        if not equals or not column or kind not in OVERRIDES:
            raise SettingsError(
                "field_type", pair, f"must be COLUMN=TYPE with a type of {', '.join(sorted(OVERRIDES))}"
            )
        overrides[column] = kind
    return overrides


def is_field_name(name: str) -> bool:
    """Return whether a column of this name can be a field beside airlsh's own fields."""
    parts = name.split(".")
    return all(part.strip() for part in parts) and parts[0] not in _TAKEN_NAMES and "*" not in name


def text_fields(fields: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the paths of all full-text fields in `fields`, the ``properties`` of a mapping.

    Fields inside objects are included.
    """
    return tuple(path for path, field in field_paths(fields).items() if field.get("type") == "text")


def field_paths(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return all `fields`, the ``properties`` of a mapping, by path.

    Objects are included, and the fields inside them. A column named ``a.b`` is mapped as a field ``b`` inside an object
    ``a``, like a column ``a`` of structs.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, field in fields.items():
        found[name] = field
        found |= {f"{name}.{path}": inner for path, inner in field_paths(field.get("properties", {})).items()}
    return found


def multi_fields(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the multi-fields of `fields`, such as ``title.keyword``, by path.

    A multi-field is indexed but not stored in documents.
    """
    return {
        f"{path}.{name}": inner
        for path, field in field_paths(fields).items()
        for name, inner in field.get("fields", {}).items()
    }


def as_json_columns(table: pa.Table, fields: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    """Cast the columns of `table` to types whose Python values are JSON.

    Dates become ISO 8601 text, times become text, and durations become integer counts of their unit. Decimals and
    unsigned 64-bit integers become digits as text, unless their field in `fields` is a number.
    """
    for position, name in enumerate(table.column_names):
        table = table.set_column(position, name, _as_json(table.column(position), fields[name]))
    return table


def _as_json(column: Any, field: Mapping[str, Any]) -> Any:
    """Cast an array, or a chunked array, with its nested values."""
    arrow = column.type
    if pa.types.is_timestamp(arrow):
        utc = column.cast(pa.timestamp(arrow.unit, "UTC"))
        return pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_decimal(arrow):
        return column.cast(pa.float64()) if field.get("type") in _NUMBERS else _plain_digits(column)
    if pa.types.is_uint64(arrow):
        return column if field.get("type") in _NUMBERS else column.cast(pa.string())
    if pa.types.is_date(arrow) or pa.types.is_time(arrow):
        return column.cast(pa.string())
    if pa.types.is_duration(arrow):
        return column.cast(pa.int64())
    if pa.types.is_nested(arrow):
        return _nested_as_json(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column, field)
    return column


def _nested_as_json(array: Any, field: Mapping[str, Any]) -> Any:
    if pa.types.is_struct(array.type):
        properties = field.get("properties", {})
        names = [child.name for child in array.type]
        children = [
            _as_json(child, properties.get(name, {})) for name, child in zip(names, array.flatten(), strict=True)
        ]
        return pa.StructArray.from_arrays(children, names, mask=array.is_null())
    items = _as_json(array.flatten(), field)
    return list_from_lengths(array, items, pa.large_list(items.type))


def _plain_digits(column: Any) -> Any:
    """Write decimals in plain notation: Arrow's cast writes small decimals with an exponent."""
    digits = [None if number is None else f"{number:f}" for number in column.to_pylist()]
    return pa.array(digits, pa.string())


def _text_field() -> dict[str, Any]:
    return {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": KEYWORD_BYTES}}}


def _override(kind: str) -> dict[str, Any]:
    if kind == "text":
        return _text_field()
    if kind == "keyword":
        return {"type": "keyword", "ignore_above": KEYWORD_BYTES}
    if kind in _NUMBERS:
        return {"type": kind, **_NUMBER_OPTIONS}
    return {"type": kind}
