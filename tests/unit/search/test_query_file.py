from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SchemaError, SourceError
from lsh_core.search.query_file import read_query_vectors

VECTORS = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def save(path: Path, array: Any) -> str:
    np.save(path, array)
    return str(path)


def write(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int32", "uint8"])
def test_npy_of_any_number(tmp_path: Path, dtype: str) -> None:
    found = read_query_vectors(save(tmp_path / "q.npy", VECTORS.astype(dtype)))
    assert found.dtype == np.float32
    assert found.tolist() == VECTORS.tolist()


def test_one_vector_is_one_row(tmp_path: Path) -> None:
    assert read_query_vectors(save(tmp_path / "q.npy", VECTORS[0])).tolist() == [[1.0, 2.0]]


def test_files_are_read_by_url(tmp_path: Path) -> None:
    save(tmp_path / "q.npy", VECTORS)
    write(tmp_path / "q.parquet", v=VECTORS.tolist(), w=VECTORS[::-1].tolist())
    memory = fsspec.filesystem("memory")
    for name in ("q.npy", "q.parquet"):
        memory.pipe_file(f"/queries/{name}", (tmp_path / name).read_bytes())
    for place in ("memory://queries", f"file://{tmp_path}"):
        assert read_query_vectors(f"{place}/q.npy").tolist() == VECTORS.tolist()
        assert read_query_vectors(f"{place}/q.parquet:w").tolist() == VECTORS[::-1].tolist()
    with pytest.raises(SourceError, match=r"memory://queries/none\.npy"):
        read_query_vectors("memory://queries/none.npy")


@pytest.mark.parametrize("shape", [(), (2, 2, 2)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(SourceError, match="one row a query"):
        read_query_vectors(save(tmp_path / "q.npy", np.ones(shape)))


@pytest.mark.parametrize("array", [np.array([["a"]]), np.array([[1j]]), np.array([[True]])])
def test_what_is_no_number_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(SourceError, match="numbers"):
        read_query_vectors(save(tmp_path / "q.npy", array))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    none = [
        save(tmp_path / "q.npy", np.empty((0, 2))),
        write(tmp_path / "q.parquet", v=pa.array([], pa.list_(pa.float32()))),
    ]
    for name in none:
        with pytest.raises(SourceError, match="has no row"):
            read_query_vectors(name)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    np.save(tmp_path / "q.npy", np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("q.npy", "bare.npy"):
        with pytest.raises(SourceError, match="without pickle"):
            read_query_vectors(str(tmp_path / name))
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04 not a zip", b"\x93NUMPY\x01\x00", b"PAR1"])
@pytest.mark.parametrize("name", ["q.npy", "q.parquet", "q.parquet:v"])
def test_other_files_are_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name.partition(":")[0]
    path.write_bytes(content)
    with pytest.raises(SourceError) as raised:
        read_query_vectors(str(tmp_path / name))
    assert raised.value.source == str(path)


@pytest.mark.parametrize("name", ["gone.npy", "gone.parquet", "gone.parquet:v", "gone"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_query_vectors(str(tmp_path / name))


def test_a_truncated_npy(tmp_path: Path) -> None:
    path = tmp_path / "q.npy"
    np.save(path, np.ones((100, 4)))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SourceError, match="cannot be read"):
        read_query_vectors(str(path))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_row_that_is_not_finite_is_named(tmp_path: Path, bad: float) -> None:
    vectors = np.ones((4, 2))
    vectors[2, 1] = bad
    with pytest.raises(SourceError, match="row 2"):
        read_query_vectors(save(tmp_path / "q.npy", vectors))
    with pytest.raises(SourceError, match="row 2"):
        read_query_vectors(write(tmp_path / "q.parquet", v=vectors.tolist()))


@pytest.mark.parametrize(
    "arrow", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 2), pa.list_(pa.float16())]
)
def test_the_only_vector_column_is_found(tmp_path: Path, arrow: pa.DataType) -> None:
    columns = {"id": ["a", "b"], "tags": [["x"], ["y"]], "v": pa.array(VECTORS.tolist(), arrow)}
    found = read_query_vectors(write(tmp_path / "q.parquet", **columns))
    assert found.dtype == np.float32
    assert found.tolist() == VECTORS.tolist()


def test_of_several_columns_one_must_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "q.parquet", v=VECTORS.tolist(), w=(VECTORS + 1).tolist())
    with pytest.raises(SourceError, match=r"v, w.*FILE\.parquet:COLUMN"):
        read_query_vectors(path)
    assert read_query_vectors(f"{path}:w").tolist() == (VECTORS + 1).tolist()


def test_no_vector_column(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="0 columns"):
        read_query_vectors(write(tmp_path / "q.parquet", id=[1, 2]))


@pytest.mark.parametrize(
    ("column", "reason"), [("gone", "does not exist: there are"), ("id", "has type int64"), ("name", "has type string")]
)
def test_a_column_that_cannot_be_it(tmp_path: Path, column: str, reason: str) -> None:
    path = write(tmp_path / "q.parquet", id=[1, 2], name=["a", "b"], v=VECTORS.tolist())
    with pytest.raises(SchemaError, match=reason) as raised:
        read_query_vectors(f"{path}:{column}")
    assert raised.value.column == column


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([[1.0], None, [2.0]], "row 1"),
        ([[1.0], [2.0], [3.0, 4.0]], "row 2"),
        ([None, [1.0]], "row 0"),
        ([[1.0], [None]], "row 1"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: list[Any], named: str) -> None:
    with pytest.raises(SourceError, match=named):
        read_query_vectors(write(tmp_path / "q.parquet", v=pa.array(rows, pa.list_(pa.float32()))))


def test_a_folder_of_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "v=1"
    folder.mkdir()
    assert read_query_vectors(write(folder / "q.parquet", v=VECTORS.tolist())).tolist() == VECTORS.tolist()
