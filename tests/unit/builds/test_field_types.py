from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest

from lsh_core.builds.field_types import (
    KEYWORD_BYTES,
    OVERRIDES,
    as_json_columns,
    fields_for,
    is_field_name,
    parse_overrides,
    text_fields,
)
from lsh_core.errors import SchemaError, SettingsError
from lsh_core.sources.plain_types import plain_table

KEYWORD = {"type": "keyword", "ignore_above": KEYWORD_BYTES}
MOMENT = dt.datetime(2024, 2, 29, 13, 4, 5, 678901)


def number(kind: str) -> dict[str, Any]:
    return {"type": kind, "coerce": False}


# Arrow type, a value, its field, and the value in JSON.
TABLE: list[tuple[pa.DataType, Any, dict[str, Any], Any]] = [
    (pa.bool_(), True, {"type": "boolean"}, True),
    (pa.int8(), -128, number("byte"), -128),
    (pa.int16(), -5, number("short"), -5),
    (pa.uint8(), 255, number("short"), 255),
    (pa.int32(), 2**31 - 1, number("integer"), 2**31 - 1),
    (pa.uint16(), 2**16 - 1, number("integer"), 2**16 - 1),
    (pa.int64(), -(2**63), number("long"), -(2**63)),
    (pa.uint32(), 2**32 - 1, number("long"), 2**32 - 1),
    (pa.uint64(), 2**64 - 1, KEYWORD, "18446744073709551615"),
    (pa.float16(), 1.5, number("half_float"), 1.5),
    (pa.float32(), 0.25, number("float"), 0.25),
    (pa.float64(), 1e300, number("double"), 1e300),
    (pa.decimal128(20, 2), Decimal("12345678901234567.89"), KEYWORD, "12345678901234567.89"),
    (pa.decimal256(50, 1), Decimal("0.5"), KEYWORD, "0.5"),
    (pa.decimal128(20, 8), Decimal("0.00000001"), KEYWORD, "0.00000001"),
    (pa.decimal128(5, -2), Decimal("1E+3"), KEYWORD, "1000"),
    (pa.string(), 'a "quoted"\nline', KEYWORD, 'a "quoted"\nline'),
    (pa.large_string(), "é😀", KEYWORD, "é😀"),
    (pa.string_view(), "view", KEYWORD, "view"),
    (pa.dictionary(pa.int8(), pa.string()), "section", KEYWORD, "section"),
    (pa.binary(), b"\xff\x00", {"type": "binary"}, "/wA="),
    (pa.large_binary(), b"ab", {"type": "binary"}, "YWI="),
    (pa.binary(2), b"ab", {"type": "binary"}, "YWI="),
    (pa.date32(), dt.date(1969, 12, 31), {"type": "date"}, "1969-12-31"),
    (pa.date64(), dt.date(2024, 2, 29), {"type": "date"}, "2024-02-29"),
    (pa.timestamp("s"), MOMENT.replace(microsecond=0), {"type": "date"}, "2024-02-29T13:04:05Z"),
    (pa.timestamp("ms"), MOMENT.replace(microsecond=678000), {"type": "date"}, "2024-02-29T13:04:05.678Z"),
    (pa.timestamp("us"), MOMENT, {"type": "date"}, "2024-02-29T13:04:05.678901Z"),
    (pa.timestamp("ns"), 1_000_000_001, {"type": "date"}, "1970-01-01T00:00:01.000000001Z"),
    (
        pa.timestamp("us", "Asia/Tokyo"),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=9))),
        {"type": "date"},
        "2023-12-31T15:00:00.000000Z",
    ),
    (pa.time32("s"), dt.time(13, 4, 5), KEYWORD, "13:04:05"),
    (pa.time64("ns"), 5, KEYWORD, "00:00:00.000000005"),
    (pa.duration("ms"), 1500, number("long"), 1500),
    (pa.duration("ns"), 5, number("long"), 5),
    (pa.list_(pa.string()), ["a", None], KEYWORD, ["a", None]),
    (pa.large_list(pa.int32()), [], number("integer"), []),
    (pa.list_(pa.list_(pa.int32())), [[1], None, [2, 3]], number("integer"), [[1], None, [2, 3]]),
    (
        pa.list_(pa.timestamp("ns")),
        [1_000_000_001, None],
        {"type": "date"},
        ["1970-01-01T00:00:01.000000001Z", None],
    ),
    (pa.list_(pa.duration("ns"), 2), [5, 6], number("long"), [5, 6]),
    (pa.list_(pa.time64("ns")), [5], KEYWORD, ["00:00:00.000000005"]),
    (pa.list_(pa.decimal128(5, 2)), [Decimal("1.50")], KEYWORD, ["1.50"]),
    (pa.list_(pa.binary()), [b"ab"], {"type": "binary"}, ["YWI="]),
    (pa.list_(pa.dictionary(pa.int8(), pa.string())), ["a"], KEYWORD, ["a"]),
    (pa.list_view(pa.int8()), [1, 2], number("byte"), [1, 2]),
    (
        pa.map_(pa.string(), pa.timestamp("s")),
        [("a", dt.datetime(2024, 1, 1))],
        {"dynamic": "strict", "properties": {"key": KEYWORD, "value": {"type": "date"}}},
        [{"key": "a", "value": "2024-01-01T00:00:00Z"}],
    ),
    (
        pa.struct(
            [
                ("when", pa.timestamp("us", "Asia/Tokyo")),
                ("price", pa.decimal128(5, 2)),
                ("tags", pa.list_(pa.date32())),
            ]
        ),
        {"when": dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "price": Decimal("1.50"), "tags": [dt.date(2024, 1, 2)]},
        {"dynamic": "strict", "properties": {"when": {"type": "date"}, "price": KEYWORD, "tags": {"type": "date"}}},
        {"when": "2024-01-01T00:00:00.000000Z", "price": "1.50", "tags": ["2024-01-02"]},
    ),
    (
        pa.list_(pa.struct([("took", pa.duration("ns"))])),
        [{"took": 5}, None, {"took": None}],
        {"dynamic": "strict", "properties": {"took": number("long")}},
        [{"took": 5}, None, {"took": None}],
    ),
]


def without_format(field: Any) -> Any:
    if not isinstance(field, dict):
        return field
    return {key: without_format(value) for key, value in field.items() if key != "format"}


@pytest.mark.parametrize(("arrow", "value", "field", "json"), TABLE, ids=[str(row[0])[:40] for row in TABLE])
def test_the_table(arrow: pa.DataType, value: Any, field: dict[str, Any], json: Any) -> None:
    # A slice that does not begin at 0, with nulls around: nested columns must not slip against their parents.
    table = plain_table(pa.table({"c": pa.array([None, value, None, value], arrow)})[1:])
    fields = fields_for("s.parquet", vector="v", schema=table.schema)
    assert without_format(fields["c"]) == field

    from lsh_core.builds.bulk_lines import _as_json

    values = as_json_columns(table, fields).column("c").to_pylist()
    assert orjson.loads(orjson.dumps(values, default=_as_json)) == [json, None, json]


def test_a_null_column_is_a_keyword_and_stays_null() -> None:
    table = pa.table({"c": pa.nulls(2)})
    assert fields_for("s", vector="v", schema=table.schema) == {"c": KEYWORD}
    assert as_json_columns(table, {"c": KEYWORD}).column("c").to_pylist() == [None, None]


def test_columns_of_many_pieces_and_of_none() -> None:
    arrow = pa.list_(pa.timestamp("s"))
    for pieces in ([], [[[1]], [], [None, [2, 3]]]):
        column = pa.chunked_array([pa.array(piece, arrow) for piece in pieces], type=arrow)
        table = pa.table({"c": column})
        found = as_json_columns(table, fields_for("s", vector="v", schema=table.schema)).column("c").to_pylist()
        assert found == [
            each and [f"1970-01-01T00:00:0{second}Z" for second in each] for piece in pieces for each in piece
        ]


@pytest.mark.parametrize(
    "arrow",
    [pa.month_day_nano_interval(), pa.dense_union([pa.field("a", pa.int8())])],
)
def test_types_without_a_field_are_refused_with_their_name(arrow: pa.DataType) -> None:
    with pytest.raises(SchemaError, match="no Elasticsearch field") as raised:
        fields_for("s.parquet", vector="v", schema=pa.schema([("c", arrow)]))
    assert raised.value.column == "c"
    assert "--columns" in str(raised.value)


def test_text_columns_can_be_filtered_as_well() -> None:
    schema = pa.schema([("title", pa.string()), ("id2", pa.string())])
    fields = fields_for("s", vector="v", schema=schema, text=["title"])
    assert fields["title"] == {"type": "text", "fields": {"keyword": KEYWORD}}
    assert fields["id2"] == KEYWORD


def test_which_fields_are_full_text() -> None:
    schema = pa.schema(
        {"title": pa.string(), "kind": pa.string(), "of": pa.struct({"name": pa.string(), "year": pa.int32()})}
    )
    fields = fields_for("s", schema, vector="v", text=["title"])
    assert text_fields(fields) == ("title",)
    fields["of"]["properties"]["name"] = fields["title"]
    assert text_fields(fields) == ("title", "of.name")


def test_overrides_win_over_the_table() -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.int64()), ("c", pa.decimal128(5, 2)), ("d", pa.string())])
    fields = fields_for(
        "s", vector="v", schema=schema, overrides={"a": "ip", "b": "keyword", "c": "double", "d": "text"}
    )
    assert fields["a"] == {"type": "ip"}
    assert fields["b"] == KEYWORD
    assert fields["c"] == number("double")
    assert fields["d"]["type"] == "text"


@pytest.mark.parametrize("arrow", [pa.decimal128(5, 2), pa.list_(pa.decimal128(5, 2))])
def test_decimals_are_numbers_where_their_field_is(arrow: pa.DataType) -> None:
    value = [Decimal("1.50")] if pa.types.is_list(arrow) else Decimal("1.50")
    table = pa.table({"c": pa.array([value], arrow)})
    fields = fields_for("s", vector="v", schema=table.schema, overrides={"c": "double"})
    assert as_json_columns(table, fields).column("c").to_pylist() == [[1.5] if isinstance(value, list) else 1.5]


@pytest.mark.parametrize(("text", "overrides"), [(["gone"], {}), ([], {"gone": "long"})])
def test_a_column_that_is_not_kept_cannot_be_typed(text: list[str], overrides: dict[str, str]) -> None:
    with pytest.raises(SchemaError, match="gone"):
        fields_for("s", vector="v", schema=pa.schema([("a", pa.string())]), text=text, overrides=overrides)


@pytest.mark.parametrize("names", [["a.b", "a"], ["a", "b", "a.b.c"], ["v.norm"], ["a.b", "a.b.c.d"]])
def test_a_column_inside_another_is_refused(names: list[str]) -> None:
    with pytest.raises(SchemaError, match=r"would be a field inside '(a|a.b|v)'"):
        fields_for("s", vector="v", schema=pa.schema([(name, pa.string()) for name in names]))


@pytest.mark.parametrize("name", ["a", "a.b", "Größe", "a b", "airlsh2", "my_airlsh", "_late", "__index_level_0__"])
def test_names_of_fields(name: str) -> None:
    assert is_field_name(name)
    assert list(fields_for("s", vector="v", schema=pa.schema([(name, pa.string())]))) == [name]


@pytest.mark.parametrize(
    "name", ["", " ", ".", "a.", ".a", "a..b", "_id", "_source", "_tier.a", "airlsh", "airlsh.tokens", "a*"]
)
def test_names_that_are_no_fields(name: str) -> None:
    assert not is_field_name(name)
    with pytest.raises(SchemaError, match="cannot be the name of a field"):
        fields_for("s", vector="v", schema=pa.schema([(name, pa.string())]))


def test_overrides_are_parsed() -> None:
    assert parse_overrides(["a=long", "b=c=ip"]) == {"a": "long", "b=c": "ip"}


@pytest.mark.parametrize("pair", ["a", "a=", "=long", "a=unsigned_long", "a=dense_vector", "long", ""])
def test_bad_overrides_are_refused_with_what_is_allowed(pair: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_overrides([pair])
    assert raised.value.value == pair
    assert all(kind in str(raised.value) for kind in OVERRIDES)
