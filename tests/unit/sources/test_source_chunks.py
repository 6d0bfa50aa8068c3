"""Chunks and spans of files as they are met in practice."""

from __future__ import annotations

import pytest

from lsh_core.sources.chunks import chunk_rows_for, plan_chunks
from lsh_core.sources.source_file import SourceFile
from lsh_core.sources.spans import plan_spans


def file_of(*row_groups: int, first_row_number: int = 0) -> SourceFile:
    return SourceFile("/data/a.parquet", 1, "1", row_groups, first_row_number, ())


@pytest.mark.parametrize(
    ("row_groups", "chunk_rows", "sizes"),
    [
        ((63_666,), 20_000, [15_916, 15_917, 15_916, 15_917]),
        ((1_000,) * 4, 2_000, [2_000, 2_000]),
        ((1_000,) * 3, 700, [500] * 6),
        ((1_000, 1_000, 10), 1_000, [1_000, 505, 505]),
        ((10,) * 100, 250, [250] * 4),
        ((0, 5, 0, 0, 3, 0), 100, [8]),
        ((3, 100_000), 50_000, [33_334, 33_334, 33_335]),
        ((), 10, []),
        ((0, 0), 10, []),
    ],
)
def test_sizes(row_groups: tuple[int, ...], chunk_rows: int, sizes: list[int]) -> None:
    assert [chunk.rows for chunk in plan_chunks([file_of(*row_groups)], chunk_rows=chunk_rows)] == sizes


def test_numbers_and_places_go_on_over_files() -> None:
    files = [file_of(5), file_of(), file_of(4, first_row_number=5)]
    chunks = plan_chunks(files, chunk_rows=3)
    assert [(c.number, c.file, c.start, c.stop, c.first_row_number) for c in chunks] == [
        (0, 0, 0, 2, 0),
        (1, 0, 2, 5, 2),
        (2, 2, 0, 2, 5),
        (3, 2, 2, 4, 7),
    ]


@pytest.mark.parametrize(
    ("rows", "row_bytes", "nodes", "workers", "chunk_bytes", "chunk_rows"),
    [
        (63_666, 384 * 4, 3, 2, 2**26, 1_326),
        (1_000_000, 128 * 4, 1, 2, 2**26, 50_000),
        (10**9, 128 * 4, 3, 10, 2**26, 50_000),
        (10**9, 4_096 * 4, 3, 10, 2**26, 4_096),
        (1_000, 128 * 4, 3, 2, 2**26, 500),
        (0, 128 * 4, 1, 1, 2**26, 500),
        (1_000, 2**20, 1, 1, 2**10, 1),
    ],
)
def test_default_rows_of_a_chunk(
    rows: int, row_bytes: int, nodes: int, workers: int, chunk_bytes: int, chunk_rows: int
) -> None:
    found = chunk_rows_for(rows, row_bytes=row_bytes, nodes=nodes, workers=workers, chunk_bytes=chunk_bytes)
    assert found == chunk_rows


def test_spans_of_twenty_row_groups_are_whole_row_groups() -> None:
    files = [file_of(*[50_000] * 20)]
    spans = plan_spans(files, plan_chunks(files, chunk_rows=20_833), parallelism=4)
    assert [[span.chunks[0].start, span.chunks[-1].stop] for span in spans] == [
        [n * 50_000, (n + 1) * 50_000] for n in range(20)
    ]


def test_two_giant_row_groups_are_split_for_five_readers() -> None:
    files = [file_of(30_000, 20_000)]
    spans = plan_spans(files, plan_chunks(files, chunk_rows=1_000), parallelism=5)
    assert [(span.chunks[0].start, span.chunks[-1].stop) for span in spans] == [
        (0, 10_000),
        (10_000, 20_000),
        (20_000, 30_000),
        (30_000, 40_000),
        (40_000, 50_000),
    ]


def test_spans_do_not_cross_files() -> None:
    files = [file_of(10), file_of(10, first_row_number=10)]
    spans = plan_spans(files, plan_chunks(files, chunk_rows=5), parallelism=1)
    assert [[chunk.number for chunk in span.chunks] for span in spans] == [[0, 1], [2, 3]]


def test_nothing_to_do_makes_no_spans() -> None:
    assert plan_spans([file_of(10)], [], parallelism=3) == []


def test_bounds_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_rows is 0"):
        plan_chunks([], chunk_rows=0)
    with pytest.raises(ValueError, match="parallelism is 0"):
        plan_spans([], [], parallelism=0)
