"""Every row is two valid lines of JSON that say exactly what the row says."""

from __future__ import annotations

import base64
import math
from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsh_core.builds.bulk_lines import BulkLineEncoder, delete_line
from lsh_core.builds.field_types import fields_for
from lsh_core.builds.mapping import VectorField
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field()
TABLES = table_field()
GRAPH = graph_field()

# Arrow holds UTF-8: everything but lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "\\", "\n", "\r\n", "\u2028", "\x00\x1f", "😀", "a\tb", "</script>", "{}", "null", " ", "\ufeff"]
)
vector_elements = st.floats(width=32, allow_nan=False, allow_infinity=False)


def lines_of(row: bytes) -> tuple[dict, dict]:
    assert row.endswith(b"\n")
    action, document = row[:-1].split(b"\n")  # Raises unless there are exactly two lines.
    return orjson.loads(action), orjson.loads(document)


@given(st.data(), st.sampled_from([LISTS, TABLES, GRAPH]), st.sampled_from(["v", 'a "b"', "über.v", "x\ny"]))
def test_rows_say_what_was_given(data: st.DataObject, field: VectorField, column: str) -> None:
    ids = data.draw(st.lists(texts.filter(bool), min_size=1, max_size=6))
    count = len(ids)
    vectors = data.draw(arrays("float32", (count, 3), elements=vector_elements))
    tokens = data.draw(arrays("int64", (count, 4), elements=st.integers(0, 999)))
    near = data.draw(arrays("int64", (count, 5), elements=st.integers(0, 999))) if field.retrieval == "lists" else None
    row_numbers = np.array(data.draw(st.lists(st.integers(0, 2**62), min_size=count, max_size=count)))
    titles = data.draw(st.lists(st.none() | texts, min_size=count, max_size=count))
    others = pa.table({"title": pa.array(titles, pa.string())})
    writer = BulkLineEncoder(replace(field, column=column), fields_for("s", others.schema, vector=column))

    rows = writer.rows(ids, vectors, tokens, near, chunk=7, row_numbers=row_numbers, others=others)

    assert len(rows) == count
    for row, line in enumerate(rows):
        action, document = lines_of(line)
        assert action == {"index": {"_id": ids[row], "version": row_numbers[row], "version_type": "external_gte"}}
        text = document.pop(column)
        sent = np.frombuffer(base64.b64decode(text, validate=True), dtype=">f4")
        assert sent.tolist() == vectors[row].tolist()
        own = document.pop("airlsh")
        if field.retrieval != "graph":
            assert own.pop("tokens") == {column: [f"Abcd{code:03d}" for code in tokens[row]]}
        else:
            assert own.pop("graph") == {column: text}
        if near is not None:
            assert own.pop("list") == {column: tokens[row, 0]}
            assert own.pop("near") == {column: [f"Abcd{code:03d}" for code in near[row, :2]]}
        assert own == {"id": ids[row], "chunk": 7, "row": row_numbers[row]}
        assert document == ({} if titles[row] is None else {"title": titles[row]})


def rows_with(others: pa.Table) -> list[bytes]:
    count = len(others)
    writer = BulkLineEncoder(TABLES, fields_for("s", others.schema, vector=TABLES.column))
    return writer.rows(
        [str(row) for row in range(count)],
        np.ones((count, 3), np.float32),
        np.ones((count, 1), np.int64),
        None,
        chunk=0,
        row_numbers=np.arange(count),
        others=others,
    )


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "price": st.none() | st.floats(),
                "tags": st.none() | st.lists(st.none() | texts, max_size=3),
                "blob": st.none() | st.binary(max_size=8),
                "made": st.none()
                | st.fixed_dictionaries({"by": st.none() | texts, "took": st.none() | st.integers(0, 9)}),
                "a.b": st.none() | st.integers(-(2**63), 2**63 - 1),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_other_columns(values: list[dict]) -> None:
    schema = pa.schema(
        [
            ("price", pa.float64()),
            ("tags", pa.list_(pa.string())),
            ("blob", pa.binary()),
            ("made", pa.struct([("by", pa.string()), ("took", pa.int64())])),
            ("a.b", pa.int64()),
        ]
    )
    for given_, line in zip(values, rows_with(pa.Table.from_pylist(values, schema)), strict=True):
        _, document = lines_of(line)
        found = {name: value for name, value in document.items() if name not in ("v", "airlsh")}
        wanted = {name: value for name, value in given_.items() if value is not None}
        if "blob" in wanted:
            wanted["blob"] = base64.b64encode(wanted["blob"]).decode()
        if not math.isfinite(wanted.get("price", 0)):
            wanted["price"] = None  # JSON has no NaN: the field is left empty, the row stays valid.
        assert found == wanted


def test_a_slice_of_a_table_and_a_strided_view_of_vectors() -> None:
    others = pa.table({"n": [10, 11, 12, 13]}).slice(1, 2)
    vectors = np.arange(24, dtype=np.float32).reshape(4, 6)[1:3, ::2]
    writer = BulkLineEncoder(TABLES, fields_for("s", others.schema, vector=TABLES.column))
    tokens = np.arange(8).reshape(4, 2)[1:3]
    rows = writer.rows(["a", "b"], vectors, tokens, None, chunk=0, row_numbers=np.array([5, 6]), others=others)
    documents = [lines_of(row)[1] for row in rows]
    assert [document["n"] for document in documents] == [11, 12]
    sent = [np.frombuffer(base64.b64decode(document["v"]), ">f4").tolist() for document in documents]
    assert sent == vectors.tolist()


def test_no_other_columns() -> None:
    rows = rows_with(pa.table({"a": [1, 2]}).select([]))
    assert all(set(lines_of(row)[1]) == {"v", "airlsh"} for row in rows)


def test_columns_of_wrong_length_do_not_slip() -> None:
    writer = BulkLineEncoder(TABLES, {})
    with pytest.raises(ValueError, match="zip"):
        writer.rows(
            ["a", "b"],
            np.ones((2, 3), np.float32),
            np.ones((2, 1), np.int64),
            None,
            chunk=0,
            row_numbers=np.arange(3),
            others=pa.table({"a": [1, 2]}).select([]),
        )


@given(st.lists(st.tuples(texts.filter(bool), st.integers(0, 2**60), st.none() | texts), min_size=1, max_size=5))
def test_rows_written_live_say_which_change_they_are(rows: list[tuple[str, int, str | None]]) -> None:
    ids, positions, partitions = zip(*rows, strict=True)
    count = len(rows)
    lines = BulkLineEncoder(TABLES, {}).live_rows(
        ids,
        np.ones((count, 3), np.float32),
        np.ones((count, 1), np.int64),
        None,
        positions=positions,
        partitions=partitions,
        others=pa.table({"a": list(range(count))}).select([]),
    )
    for line, (identity, position, partition) in zip(lines, rows, strict=True):
        action, document = lines_of(line)
        version = 2**62 + position
        assert action == {"index": {"_id": identity, "version": version, "version_type": "external_gte"}}
        own = document["airlsh"]
        assert (own["id"], own["change"]) == (identity, position)
        assert own.get("partition") == partition
        assert not {"chunk", "row"} & set(own)
        deleted = orjson.loads(delete_line(identity, position))
        assert deleted == {"delete": {"_id": identity, "version": version, "version_type": "external_gte"}}


def test_a_row_of_a_load_says_its_partition() -> None:
    line = BulkLineEncoder(TABLES, {}).rows(
        ["a"],
        np.ones((1, 3), np.float32),
        np.ones((1, 1), np.int64),
        None,
        chunk=2,
        row_numbers=np.array([9]),
        others=pa.table({"a": [1]}).select([]),
        partition='day="1"',
    )[0]
    own = lines_of(line)[1]["airlsh"]
    assert (own["chunk"], own["row"], own["partition"]) == (2, 9, 'day="1"')
