"""Samples have the wanted size, lie evenly over the source, and do not depend on who reads them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.sources.sampling import MIN_ROW_GROUPS, READ_PER_SAMPLED, plan_sample
from lsh_core.sources.source_file import SourceFile


def make_files(row_groups: list[list[int]]) -> list[SourceFile]:
    files: list[SourceFile] = []
    place = 0
    for number, rows in enumerate(row_groups):
        files.append(SourceFile(f"/data/{number}.parquet", 1, "1", tuple(rows), place, ()))
        place += sum(rows)
    return files


def places(files: list[SourceFile], size: int, seed: int) -> list[int]:
    return [files[p.file].first_row_number + int(o) for p in plan_sample(files, size, seed) for o in p.offsets]


groups = st.one_of(
    st.lists(st.integers(0, 60), max_size=40),
    st.builds(lambda large, small: [large] + [1] * small, st.integers(1, 5_000), st.integers(0, 60)),
)
sources = st.lists(groups, min_size=1, max_size=6).filter(lambda files: sum(map(sum, files)) > 0).map(make_files)


@given(sources, st.integers(1, 3_000), st.integers(0, 2**32 - 1))
def test_a_sample_has_its_size_and_no_row_twice(files: list[SourceFile], size: int, seed: int) -> None:
    drawn = places(files, size, seed)
    total = sum(file.rows for file in files)
    assert len(drawn) == min(size, total)
    assert drawn == sorted(set(drawn))
    assert all(0 <= place < total for place in drawn)
    assert drawn == places(files, size, seed)


@given(st.integers(1, 20), st.integers(1, 30), st.integers(1, 200), st.integers(0, 100))
def test_every_file_and_every_stretch_has_its_share(files: int, row_groups: int, rows: int, seed: int) -> None:
    source = make_files([[rows] * row_groups] * files)
    total = files * row_groups * rows
    size = max(1, total // 2)  # then all row groups are read
    drawn = np.array(places(source, size, seed))
    shares = np.bincount(drawn * files // total, minlength=files)
    assert shares.max() - shares.min() <= 2 + row_groups


@given(st.integers(50, 400), st.integers(100, 1_000), st.integers(1, 2_000), st.integers(0, 100))
def test_of_a_large_source_only_some_row_groups_are_read_from_all_over_it(
    row_groups: int, rows: int, size: int, seed: int
) -> None:
    source = make_files([[rows] * row_groups])
    read = {place // rows for place in places(source, size, seed)}
    allowed = max(-(-READ_PER_SAMPLED * size // rows), MIN_ROW_GROUPS)
    assert len(read) <= allowed
    if size >= MIN_ROW_GROUPS:
        gaps = np.diff([-1, *sorted(read), row_groups])
        assert gaps.max() <= 2 * row_groups / MIN_ROW_GROUPS + 1
