"""Whatever the row groups are, chunks and spans cover every row exactly once, in order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lsh_core.sources.chunks import chunk_rows_for, plan_chunks
from lsh_core.sources.source_file import SourceFile
from lsh_core.sources.spans import plan_spans

row_groups = st.one_of(
    st.lists(st.integers(0, 300), max_size=12),
    st.builds(lambda rows, count: [rows] * count, st.integers(0, 3), st.integers(0, 400)),
    st.integers(0, 5_000).map(lambda rows: [rows]),
)


@st.composite
def sources(draw: st.DrawFn) -> list[SourceFile]:
    files: list[SourceFile] = []
    place = 0
    for number, rows in enumerate(draw(st.lists(row_groups, max_size=5))):
        files.append(SourceFile(f"/data/{number}.parquet", 1, "1", tuple(rows), place, ()))
        place += sum(rows)
    return files


def group_of(file: SourceFile, row: int) -> int:
    stop = 0
    for group, rows in enumerate(file.row_group_rows):
        stop += rows
        if row < stop:
            return group
    raise AssertionError(row)


@given(sources(), st.integers(1, 2_000))
def test_chunks_cover_every_row_once_in_order(files: list[SourceFile], chunk_rows: int) -> None:
    chunks = plan_chunks(files, chunk_rows=chunk_rows)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    for number, file in enumerate(files):
        of_file = [chunk for chunk in chunks if chunk.file == number]
        borders = [0, *(chunk.stop for chunk in of_file)]
        assert [chunk.start for chunk in of_file] == borders[:-1]
        assert borders[-1] == file.rows
        assert all(chunk.rows > 0 for chunk in of_file)
        assert all(chunk.first_row_number == file.first_row_number + chunk.start for chunk in of_file)
    assert chunks == sorted(chunks, key=lambda chunk: (chunk.file, chunk.start))


@given(sources(), st.integers(1, 2_000))
def test_chunks_are_between_half_and_the_whole_of_the_bound(files: list[SourceFile], chunk_rows: int) -> None:
    for chunk in plan_chunks(files, chunk_rows=chunk_rows):
        assert min(chunk_rows // 2, files[chunk.file].rows) <= chunk.rows <= chunk_rows


@given(st.integers(0, 10**7), st.integers(1, 10_000), st.integers(1, 9), st.integers(1, 33), st.integers(1, 2**27))
def test_the_default_chunk_makes_enough_chunks_and_respects_the_bounds(
    rows: int, row_bytes: int, nodes: int, workers: int, chunk_bytes: int
) -> None:
    chunk_rows = chunk_rows_for(rows, row_bytes=row_bytes, nodes=nodes, workers=workers, chunk_bytes=chunk_bytes)
    assert 1 <= chunk_rows <= 50_000
    assert chunk_rows * row_bytes <= chunk_bytes or chunk_rows == 1
    wanted = 8 * nodes * workers
    if rows >= 500 * wanted:
        assert -(-rows // chunk_rows) >= wanted


@given(sources(), st.integers(1, 2_000), st.integers(1, 40), st.data())
def test_spans_cover_the_chunks_left_to_do_and_stay_in_one_file(
    files: list[SourceFile], chunk_rows: int, parallelism: int, data: st.DataObject
) -> None:
    chunks = plan_chunks(files, chunk_rows=chunk_rows)
    done = data.draw(st.sets(st.integers(0, max(0, len(chunks) - 1)), max_size=10))
    left = [chunk for chunk in chunks if chunk.number not in done]
    spans = plan_spans(files, left, parallelism=parallelism)
    assert [chunk for span in spans for chunk in span.chunks] == left
    assert all(span.chunks for span in spans)
    assert all({id(files[chunk.file]) for chunk in span.chunks} == {id(span.file)} for span in spans)


@given(sources(), st.integers(1, 2_000), st.integers(1, 40))
def test_a_row_group_is_split_only_where_there_are_too_few(
    files: list[SourceFile], chunk_rows: int, parallelism: int
) -> None:
    chunks = plan_chunks(files, chunk_rows=chunk_rows)
    spans = plan_spans(files, chunks, parallelism=parallelism)
    total = sum(file.rows for file in files)
    for number, file in enumerate(files):
        of_file = [span for span in spans if span.chunks[0].file == number]
        splits = [
            left
            for left, right in pairwise(of_file)
            if group_of(file, left.chunks[-1].stop - 1) == group_of(file, right.chunks[0].start)
        ]
        if splits:
            assert len(of_file) <= -(-parallelism * file.rows // total)


@given(st.integers(20_000, 60_000), st.integers(1, 16))
def test_one_giant_row_group_is_shared_evenly(rows: int, parallelism: int) -> None:
    files = [SourceFile("/data/a.parquet", 1, "1", (rows,), 0, ())]
    chunks = plan_chunks(files, chunk_rows=1_000)
    spans = plan_spans(files, chunks, parallelism=parallelism)
    assert len(spans) == min(parallelism, len(chunks))
    sizes = [span.rows for span in spans]
    assert max(sizes) - min(sizes) <= 1_000 + len(chunks)


@given(st.integers(100, 3_000), st.integers(1, 16))
def test_many_row_groups_make_more_spans_than_parallelism_of_about_the_same_size(groups: int, parallelism: int) -> None:
    files = [SourceFile("/data/a.parquet", 1, "1", (100,) * groups, 0, ())]
    spans = plan_spans(files, plan_chunks(files, chunk_rows=100), parallelism=parallelism)
    sizes = [span.rows for span in spans]
    assert parallelism <= len(spans) <= 8 * parallelism
    assert max(sizes) <= 2 * min(sizes) + 100
