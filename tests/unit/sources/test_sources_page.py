"""The tables of docs/guides/sources.md say what the code does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from lsh_core.builds.field_types import field_for
from lsh_core.errors import SchemaError
from lsh_core.sources.common_types import common_type
from lsh_core.sources.identifiers import check_id_type
from lsh_core.sources.plain_types import plain_type
from lsh_core.sources.vectors import is_vector_type

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "sources.md"


def rows(columns: int) -> list[list[str]]:
    """Rows of the page's table with this many columns."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [each for each in cells if len(each) == columns]


def arrow(cell: str) -> pa.DataType:
    names = {name: getattr(pa, name) for name in dir(pa) if not name.startswith("_")}
    return eval(cell.strip("`"), {"__builtins__": {}}, names)


def is_id_type(type_: pa.DataType) -> bool:
    try:
        check_id_type(type_, where="a", column="b")
    except SchemaError:
        return False
    return True


@pytest.mark.parametrize("row", rows(6), ids=lambda row: row[0])
def test_each_type_has_the_field_and_the_uses_that_the_page_says(row: list[str]) -> None:
    type_, _, field, _, id, vector = row
    plain = plain_type(arrow(type_))
    if field == "refused":
        with pytest.raises(SchemaError, match="no Elasticsearch field holds"):
            field_for("a", "b", plain)
    else:
        assert field_for("a", "b", plain).get("type", "object") == field.partition(";")[0]
    assert is_id_type(plain) == (id != "no")
    assert is_vector_type(plain) == (vector == "yes")


@pytest.mark.parametrize("row", rows(3), ids=lambda row: f"{row[0]} {row[1]}")
def test_each_pair_of_types_has_the_common_type_that_the_page_says(row: list[str]) -> None:
    first, second = plain_type(arrow(row[0])), plain_type(arrow(row[1]))
    expected = None if row[2] == "refused" else arrow(row[2])
    assert common_type(first, second) == expected
    assert (common_type(second, first) is None) == (expected is None)


def leaf_types() -> Iterator[pa.DataType]:
    """Every Arrow type without parameters, or with few, that pyarrow has a constructor for."""
    for name in ("null", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        yield getattr(pa, name)()
    for name in ("float16", "float32", "float64", "string", "large_string", "string_view", "binary", "large_binary"):
        yield getattr(pa, name)()
    for name in ("binary_view", "date32", "date64", "uuid", "json_", "bool8", "month_day_nano_interval"):
        yield getattr(pa, name)()


@pytest.mark.parametrize("type_", list(leaf_types()), ids=str)
def test_the_page_has_every_type(type_: pa.DataType) -> None:
    assert type_ in [arrow(row[0]) for row in rows(6)]


def test_every_row_of_the_page_is_checked() -> None:
    """A stray bar, or a space that is missing beside one, would take a row out of the tests without a word."""
    assert (len(rows(6)), len(rows(3))) == (55, 30)
    assert sum(line.startswith("|") for line in PAGE.read_text().splitlines()) == 55 + 30 + 2 * 2
