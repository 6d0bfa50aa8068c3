"""Rows as bytes: what comes back is what went in, and no more than that is kept."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lsh_core.sources.row_ipc import pack_row, unpack_groups, unpack_row

TABLE = pa.table(
    {
        "id": ["a", None, "ü🙂"],
        "vector": pa.array([[1.0, 2.0], None, [3.0, None]], pa.list_(pa.float16())),
        "nested": pa.array([{"x": [1]}, {"x": None}, None]),
        "nothing": pa.nulls(3),
    }
)


@pytest.mark.parametrize("offset", range(3))
def test_a_row_comes_back_with_its_types(offset: int) -> None:
    row = unpack_row(pack_row(TABLE, offset))
    assert row.schema == TABLE.schema
    assert row.to_pylist() == TABLE.slice(offset, 1).to_pylist()


def test_only_the_row_itself_is_kept() -> None:
    many = pa.table({"vector": pa.array([[float(row)] * 100 for row in range(1_000)], pa.list_(pa.float32()))})
    assert len(pack_row(many, 500)) < 2_000


def test_a_dictionary_is_not_kept_for_one_row() -> None:
    words = pa.array([f"a long word {number}" for number in range(1_000)]).dictionary_encode()
    packed = pack_row(pa.table({"word": words}).replace_schema_metadata({"pandas": "x" * 10_000}), 7)
    assert unpack_row(packed).to_pylist() == [{"word": "a long word 7"}]
    assert len(packed) < 1_000


def test_a_row_across_chunks_of_its_table() -> None:
    both = pa.concat_tables([TABLE] * 2)
    assert unpack_row(pack_row(both, 5)).column("id").to_pylist() == ["ü🙂"]


def test_rows_of_one_schema_come_back_together() -> None:
    other = pa.table({"id": [1], "price": [2.5]})
    rows = [pack_row(TABLE, 0), pack_row(other, 0), pack_row(TABLE, 2)]
    groups = list(unpack_groups(rows))
    assert [positions for positions, _ in groups] == [[0, 2], [1]]
    assert groups[0][1].to_pylist() == TABLE.take([0, 2]).to_pylist()
    assert groups[1][1].to_pylist() == [{"id": 1, "price": 2.5}]
