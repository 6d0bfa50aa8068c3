"""Samples as they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.errors import SourceError
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.sampling import SamplePart, plan_sample, read_sample_part

Write = Callable[..., Path]
Packages = Callable[..., pa.Table]


def read(path: Path, size: int, seed: int) -> np.ndarray:
    dataset = open_dataset(str(path))
    return np.concatenate(
        [
            read_sample_part(dataset.files[part.file], part, vector="embedding", dims=2, metric="l2")
            for part in plan_sample(dataset.files, size, seed)
        ]
    )


def test_a_sample_is_rows_of_the_source_and_the_seed_decides_which(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.parquet", packages(20_000, first=20_000 * number), row_group_size=7_000)
    sample = read(tmp_path, 1_000, seed=1)
    assert sample.shape == (1_000, 2)
    assert sample.dtype == np.float32
    assert (sample[:, 0] == 1 - sample[:, 1]).all()
    assert (np.diff(sample[:, 0]) > 0).all()
    assert np.bincount((sample[:, 0] // 20_001).astype(int)).tolist() == pytest.approx([333] * 3, abs=60)
    assert (sample == read(tmp_path, 1_000, seed=1)).all()
    assert (sample != read(tmp_path, 1_000, seed=2)).any()


def test_all_rows_when_the_source_is_small(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "a.parquet", 50, row_group_size=8)
    assert read(tmp_path, 1_000, seed=0)[:, 0].tolist() == list(range(1, 51))


def test_bad_rows_are_left_out(tmp_path: Path, write: Write) -> None:
    vectors = pa.array([[1.0, 2.0], None, [np.nan, 1.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))
    write(tmp_path / "a.parquet", pa.table({"embedding": vectors}))
    assert read(tmp_path, 4, seed=0).tolist() == [[1, 2], [3, 4]]
    dataset, skipped = open_dataset(str(tmp_path)), Counter[str]()
    (part,) = plan_sample(dataset.files, 4, 0)
    read_sample_part(dataset.files[0], part, vector="embedding", dims=2, metric="l2", skipped=skipped)
    assert skipped == {"null_vector": 1, "nan": 1}


def test_parts_cover_long_files_in_pieces_that_workers_can_share(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    write(tmp_path / "a.parquet", packages(1), row_group_size=1)
    file = open_dataset(str(tmp_path / "a.parquet")).files[0]
    long = type(file)(file.url, 1, "1", (100_000,) * 10, 0, ())
    parts = plan_sample([long], 500_000, 0)
    assert len(parts) == 5
    assert [part.offsets[0] // 200_000 for part in parts] == [0, 1, 2, 3, 4]


def test_rows_of_a_part_beyond_the_first_batch(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet", 30_000)
    file = open_dataset(str(path)).files[0]
    offsets = np.array([0, 8_191, 8_192, 29_999])
    found = read_sample_part(file, SamplePart(0, offsets), vector="embedding", dims=2, metric="cosine")
    assert found[:, 0].tolist() == (offsets + 1).tolist()


def test_a_source_without_rows_cannot_be_sampled(tmp_path: Path, write: Write) -> None:
    dataset = open_dataset(str(write(tmp_path / "a.parquet", 0)))
    with pytest.raises(SourceError, match="has no rows to sample"):
        plan_sample(dataset.files, 10, 0)


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 0"):
        plan_sample([], 0, 0)
