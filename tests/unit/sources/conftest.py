"""Small Parquet files for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes.flaky_filesystem import TroubledFileSystem

VECTORS = pa.list_(pa.float32(), 2)


@pytest.fixture
def packages() -> Callable[..., pa.Table]:
    """Make a table with the columns `id`, `embedding` and those that are given."""

    def make(rows: int, first: int = 0, **columns: Any) -> pa.Table:
        places = range(first, first + rows)
        ids = pa.array([f"p{place}" for place in places], pa.string())
        vectors = pa.array([[place + 1, -place] for place in places], VECTORS)
        return pa.table({"id": ids, "embedding": vectors, **columns})

    return make


@pytest.fixture
def write(packages: Callable[..., pa.Table]) -> Callable[..., Path]:
    """Write a table, or so many rows of packages, to a path whose folders are made."""

    def to(path: Path, table: pa.Table | int = 3, row_group_size: int | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(packages(table) if isinstance(table, int) else table, path, row_group_size=row_group_size)
        return path

    return to


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Give fsspec's filesystem in memory, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    filesystem.rm("/", recursive=True) if filesystem.ls("/") else None
    yield filesystem
    filesystem.rm("/", recursive=True) if filesystem.ls("/") else None


@pytest.fixture
def troubled() -> Iterator[TroubledFileSystem]:
    """Give a filesystem at ``troubled://`` whose requests can be made to fail; empty before and after."""
    fsspec.register_implementation("troubled", TroubledFileSystem, clobber=True)
    filesystem = fsspec.filesystem("troubled")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    filesystem.trouble, filesystem.calls = None, 0
