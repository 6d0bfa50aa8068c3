"""What is read in spans is what the files hold, whatever the row groups and whichever chunks are left."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.reading import read_span
from lsh_core.sources.spans import plan_spans

VECTORS = pa.list_(pa.float32(), 2)


def write(path: Path, row_groups: list[int], first: int) -> int:
    schema = pa.schema([("id", pa.string()), ("vector", VECTORS), ("place", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for rows in row_groups:
            places = list(range(first, first + rows))
            vectors = pa.array([[place, -place] for place in places], VECTORS)
            writer.write_table(pa.table([pa.array(map(str, places), pa.string()), vectors, places], schema=schema))
            first += rows
    return first


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=8), min_size=1, max_size=4),
    st.integers(1, 40),
    st.integers(1, 12),
    st.sets(st.integers(0, 20)),
)
@settings(max_examples=60, deadline=None)
def test_spans_read_the_rows_of_their_chunks(
    row_groups: list[list[int]], chunk_rows: int, parallelism: int, done: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = 0
        for number, groups in enumerate(row_groups):
            place = write(Path(folder, f"part-{number}.parquet"), groups, place)
        dataset = open_dataset(folder)
        assert dataset.rows == place
        chunks = [c for c in plan_chunks(dataset.files, chunk_rows=chunk_rows) if c.number not in done]
        read = []
        for span in plan_spans(dataset.files, chunks, parallelism=parallelism):
            for chunk, table in read_span(span.file, span.chunks, ["place", "vector"]):
                wanted = list(range(chunk.first_row_number, chunk.first_row_number + chunk.rows))
                assert table.column_names == ["place", "vector"]
                assert table.column("place").to_pylist() == wanted
                assert table.column("vector").to_pylist() == [[place, -place] for place in wanted]
                read.append(chunk)
        assert read == chunks
