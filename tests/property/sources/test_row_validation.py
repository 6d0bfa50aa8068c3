"""The fast validation agrees with one that looks at each row by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lsh_core.sources.plain_types import plain_table
from lsh_core.sources.validation import validate_rows

DIMS = 3
FLOATS = {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}
LARGEST = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float32).tiny)

numbers = st.sampled_from([0.0, -0.0, 1.0, -2.5, 0.25, math.nan, math.inf, -math.inf, None, 1e-30, 3e19, 1e39])
good_vectors = st.lists(st.sampled_from([1.0, -2.5, 0.25]), min_size=DIMS, max_size=DIMS)
fixed_vectors = st.one_of(good_vectors, st.none(), st.lists(numbers, min_size=DIMS, max_size=DIMS))
any_vectors = st.one_of(fixed_vectors, st.lists(numbers, max_size=DIMS + 2))
string_ids = st.one_of(st.text("aé", max_size=4), st.none(), st.sampled_from(["é" * 256, "é" * 257, "a" * 513]))
integer_ids = st.one_of(st.integers(-(2**31), 2**31 - 1), st.none())


def id_error(id: Any) -> str | None:
    if id is None:
        return "null_id"
    if isinstance(id, int):
        return None
    if id == "":
        return "empty_id"
    return "id_too_long" if len(id.encode()) > 512 else None


def vector_error(vector: list[float | None] | None, metric: str) -> str | None:
    if vector is None:
        return "null_vector"
    if len(vector) != DIMS:
        return "wrong_length" if vector else "empty_vector"
    present = [number for number in vector if number is not None]
    if len(present) < len(vector):
        return "null_element"
    if any(math.isnan(number) for number in present):
        return "nan"
    if any(abs(number) > LARGEST for number in present):
        return "infinite"
    squared = sum(float(np.float32(number)) ** 2 for number in present)
    if squared > LARGEST:
        return "overflow"
    return "zero_vector" if metric == "cosine" and squared < TINY else None


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    width = draw(st.sampled_from([16, 32, 64]))
    kind = draw(st.sampled_from(["list", "large_list", "fixed"]))
    item = FLOATS[width]
    list_type = {"list": pa.list_(item), "large_list": pa.large_list(item), "fixed": pa.list_(item, DIMS)}[kind]
    id_type, ids = draw(
        st.sampled_from(
            [
                (pa.string(), string_ids),
                (pa.large_string(), string_ids),
                (pa.dictionary(pa.int32(), pa.string()), string_ids),
                (pa.int32(), integer_ids),
                (pa.int64(), integer_ids),
            ]
        )
    )
    good_ids = st.integers(0, 99) if pa.types.is_integer(id_type) else st.text("aé", min_size=1, max_size=4)
    good = st.tuples(good_ids, good_vectors)
    mixed = st.one_of(good, st.tuples(good_ids, fixed_vectors), st.tuples(ids, any_vectors))
    if kind == "fixed":
        mixed = st.one_of(good, st.tuples(good_ids, fixed_vectors), st.tuples(ids, fixed_vectors))
    rows = draw(st.lists(draw(st.sampled_from([good, mixed])), max_size=20))
    # What the column's own type makes of the numbers is what counts: 1e39 is infinite as float16.
    cast_rows = [vector and [None if x is None else cast(x, width) for x in vector] for _, vector in rows]
    vectors = pa.array(cast_rows, list_type)
    table = pa.table({"id": pa.array([id for id, _ in rows], id_type), "vector": vectors})
    start = draw(st.integers(0, len(rows)))
    cut = draw(st.integers(0, len(rows)))
    # A table that does not start at the beginning of its arrays, in one or two parts.
    parts = [table.slice(start), table.slice(0, cut)] if draw(st.booleans()) else [table.slice(start, cut)]
    return pa.concat_tables(parts)


@st.composite
def text_columns(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[bool]]:
    """Lists of texts that nobody has looked at, and which rows hold one that is not UTF-8."""
    raw_texts = (
        st.none() | st.binary(max_size=3) | st.text(max_size=3).map(lambda text: text.encode(errors="surrogatepass"))
    )
    lists = draw(st.lists(st.none() | st.lists(raw_texts, max_size=3), min_size=rows, max_size=rows))
    flat = pa.array([raw for each in lists for raw in each or []], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(flat), flat.buffers(), flat.null_count)
    if draw(st.booleans()):
        texts = texts.dictionary_encode()
    borders = np.cumsum([0] + [len(each or []) for each in lists])
    column = pa.ListArray.from_arrays(
        pa.array(borders, pa.int32()), texts, mask=pa.array([each is None for each in lists], pa.bool_())
    )
    if draw(st.booleans()):
        column = pa.StructArray.from_arrays([column], ["texts"])
    return column, [not all(is_utf8(raw) for raw in each or [] if raw is not None) for each in lists]


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def cast(number: float, width: int) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return {16: np.float16, 32: np.float32, 64: np.float64}[width](number)


@given(st.data(), tables(), st.sampled_from(["l2", "cosine", "dot"]))
@settings(max_examples=300)
def test_agrees_with_row_by_row(data: st.DataObject, table: pa.Table, metric: str) -> None:
    ids, vectors = table.column("id").to_pylist(), table.column("vector").to_pylist()
    texts, bad_texts = data.draw(text_columns(len(table)))
    table = table.append_column("texts", texts)
    errors = [
        id_error(id) or vector_error(vector, metric) or ("text_not_utf8" if bad else None)
        for id, vector, bad in zip(ids, vectors, bad_texts, strict=True)
    ]

    valid = validate_rows(plain_table(table), id="id", vector="vector", dims=DIMS, metric=metric)

    good = [row for row, error in enumerate(errors) if error is None]
    assert valid.offsets.tolist() == good
    assert valid.ids == [str(ids[row]) for row in good]
    assert valid.vectors.dtype == np.float32
    assert valid.vectors.shape == (len(good), DIMS)
    assert valid.vectors.flags.c_contiguous
    assert valid.vectors.tolist() == [[float(np.float32(x)) for x in vectors[row]] for row in good]
    assert [(r.offset, r.error) for r in valid.refused] == [(row, e) for row, e in enumerate(errors) if e is not None]
    assert [r.id for r in valid.refused] == [
        None if ids[r.offset] is None else str(ids[r.offset])[:512] for r in valid.refused
    ]
