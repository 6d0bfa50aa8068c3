"""Rows that recall is measured with: held out of training, from the whole source, the same for the same seed."""

from __future__ import annotations

import numpy as np

from lsh_core.sources.holdout import are_held_out
from lsh_core.sources.query_rows import plan_query_rows
from lsh_core.sources.source_file import SourceFile


def files(*row_groups: tuple[int, ...]) -> list[SourceFile]:
    firsts = np.cumsum([0, *(sum(rows) for rows in row_groups)]).tolist()
    return [
        SourceFile(f"{number}.parquet", 1, "v", rows, first, ())
        for number, (rows, first) in enumerate(zip(row_groups, firsts, strict=False))
    ]


def rows_of(given: list[SourceFile], size: int, seed: int = 0) -> list[int]:
    found = [given[part.file].first_row_number + part.offsets for part in plan_query_rows(given, size, seed)]
    return np.concatenate(found).tolist() if found else []


def test_they_are_held_out_rows_from_all_over_the_source() -> None:
    given = files((20_000,) * 30, (50_000,) * 20, (7,))
    rows = rows_of(given, 2_000)
    assert len(set(rows)) == 2_000
    assert are_held_out(np.array(rows)).all()
    assert rows == rows_of(given, 2_000)
    assert rows != rows_of(given, 2_000, seed=1)
    tenths = np.bincount(np.array(rows) // 160_001, minlength=10)
    assert tenths.min() > 130


def test_of_many_row_groups_some_are_read() -> None:
    given = files((100_000,) * 1_000)
    touched = {row // 100_000 for row in rows_of(given, 2_000)}
    assert 60 <= len(touched) <= 64


def test_a_small_source_gives_any_of_its_rows() -> None:
    assert rows_of(files((30,), (0,), (12,)), 200) == list(range(42))
    assert len(rows_of(files((900,)), 200)) == 200
    rows = rows_of(files((3_000,)), 10_000)
    assert rows == np.flatnonzero(are_held_out(np.arange(3_000))).tolist()
