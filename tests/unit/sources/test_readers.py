"""A kind of source that an installed package adds is planned, read, sampled and watched as Parquet is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import InputError, SettingsError, SourceChangedError, SourceError
from lsh_core.features.feature_source import open_source
from lsh_core.settings import FeaturesSettings
from lsh_core.sources import readers
from lsh_core.sources.batches import read_batches
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.columns import check_columns
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.listing import Listed
from lsh_core.sources.reader import Contents, Reader
from lsh_core.sources.reading import check_unchanged, read_span
from lsh_core.sources.sampling import plan_sample, read_sample_part
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.spans import plan_spans
from tests.fakes.installed_packages import installed_reader


@pytest.fixture
def npy() -> Iterator[None]:
    with installed_reader("npy_source"):
        yield


def write_arrays(path: Path, rows: int, dims: int = 3, ids: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.arange(rows * dims, dtype=np.float32).reshape(rows, dims) + 1)
    np.save(path.with_suffix(".ids.npy"), np.array([f"p{row}" for row in range(rows)]) if ids is None else ids)
    return path


def test_a_folder_of_arrays_is_planned_and_read_in_its_order(tmp_path: Path, npy: None) -> None:
    write_arrays(tmp_path / "day=1" / "a.npy", 7)
    write_arrays(tmp_path / "day=2" / "b.npy", 4)
    dataset = open_dataset(str(tmp_path))
    assert [(file.url, file.rows, file.first_row_number, file.reader, file.partition) for file in dataset.files] == [
        (str(tmp_path / "day=1" / "a.npy"), 7, 0, "npy", "day=1"),
        (str(tmp_path / "day=2" / "b.npy"), 4, 7, "npy", "day=2"),
    ]
    columns = check_columns(dataset, id="id", vector="embedding")
    assert (columns.dims, columns.others.names) == (3, ["day"])
    read = [
        row | {"place": chunk.first_row_number}
        for span in plan_spans(dataset.files, plan_chunks(dataset.files, chunk_rows=3), parallelism=2)
        for chunk, table in read_span(span.file, span.chunks, ["id", "day", "embedding"])
        for row in table.to_pylist()
    ]
    assert [(row["id"], row["day"]) for row in read] == [(f"p{n}", "1") for n in range(7)] + [
        (f"p{n}", "2") for n in range(4)
    ]
    assert read[1]["embedding"] == [4.0, 5.0, 6.0]
    assert [row["place"] for row in read] == [0, 0, 2, 2, 4, 4, 4, 7, 7, 9, 9]
    assert [(first, len(table)) for _, first, table in read_batches(dataset.files, ["id"])] == [(0, 7), (0, 4)]


def test_the_rows_between_wanted_chunks_are_skipped_and_columns_it_lacks_are_null(tmp_path: Path, npy: None) -> None:
    (file,) = open_dataset(str(write_arrays(tmp_path / "a.npy", 10))).files
    chunks = [Chunk(0, 0, 2, 4, 2), Chunk(1, 0, 9, 10, 9)]
    assert [table.to_pylist() for _, table in read_span(file, chunks, ["id", "color"])] == [
        [{"id": "p2", "color": None}, {"id": "p3", "color": None}],
        [{"id": "p9", "color": None}],
    ]
    assert [table.to_pylist() for _, table in read_span(file, chunks[1:], ["color"])] == [[{"color": None}]]


def test_a_sample_is_drawn_from_it(tmp_path: Path, npy: None) -> None:
    files = open_dataset(str(write_arrays(tmp_path / "a.npy", 120_000))).files
    assert files[0].row_group_rows == (50_000, 50_000, 20_000)
    parts = plan_sample(files, 300, seed=1)
    sample = np.concatenate(
        [read_sample_part(files[part.file], part, vector="embedding", dims=3, metric="l2") for part in parts]
    )
    wanted = np.concatenate([part.offsets for part in parts])
    assert len(sample) == 300
    assert np.array_equal(sample[:, 0], wanted * 3 + 1)


def test_a_change_of_either_file_is_noticed(tmp_path: Path, npy: None) -> None:
    path = write_arrays(tmp_path / "a.npy", 5)
    (file,) = open_dataset(str(path)).files
    assert file.size == path.stat().st_size + (tmp_path / "a.ids.npy").stat().st_size
    check_unchanged(file)
    np.save(tmp_path / "a.ids.npy", np.arange(5))
    with pytest.raises(SourceChangedError, match=r"a\.npy"):
        check_unchanged(file)
    write_arrays(path, 5)
    check_unchanged(open_dataset(str(path)).files[0])
    (tmp_path / "a.ids.npy").unlink()
    with pytest.raises(SourceChangedError, match="found no file"):
        check_unchanged(file)


def test_arrays_beside_parquet_are_one_source(tmp_path: Path, npy: None) -> None:
    write_arrays(tmp_path / "a.npy", 2)
    vectors = pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3))
    pq.write_table(pa.table({"id": ["q"], "embedding": vectors}), tmp_path / "b.parquet")
    files = open_dataset(str(tmp_path)).files
    assert [file.reader for file in files] == ["npy", "parquet"]
    assert [table.column("id").to_pylist() for _, _, table in read_batches(files, ["id"])] == [["p0", "p1"], ["q"]]


def test_arrays_on_other_filesystems_are_read(memory: fsspec.AbstractFileSystem, tmp_path: Path, npy: None) -> None:
    write_arrays(tmp_path / "a.npy", 9, ids=np.arange(9))
    memory.put(f"{tmp_path}/a.npy", "/data/a.npy")
    memory.put(f"{tmp_path}/a.ids.npy", "/data/a.ids.npy")
    (file,) = open_dataset("memory://data/*.npy").files
    ((_, table),) = read_span(file, [Chunk(0, 0, 4, 6, 4)], ["id", "embedding"])
    assert table.to_pydict() == {"id": [4, 5], "embedding": [[13.0, 14.0, 15.0], [16.0, 17.0, 18.0]]}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "a.ids.npy").unlink(), r"a\.npy: is read together with .*a\.ids\.npy, and there is"),
        (lambda folder: np.save(folder / "a.ids.npy", np.arange(3)), r"a\.ids\.npy: has 3 ids, but .*a\.npy has 5"),
        (lambda folder: np.save(folder / "a.npy", np.zeros(5)), r"a\.npy: holds float64 \(5,\); a matrix"),
        (lambda folder: np.save(folder / "a.npy", np.zeros((3, 5)).T), r"a\.npy: is stored by columns; write it by"),
        (lambda folder: (folder / "a.npy").write_bytes(b"no array"), r"a\.npy: is not a \.npy file"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path: Path, npy: None, spoil: Any, said: str) -> None:
    write_arrays(tmp_path / "a.npy", 5)
    spoil(tmp_path)
    with pytest.raises(SourceError, match=said):
        open_dataset(str(tmp_path / "a.npy"))


def test_a_truncated_array_is_noticed_when_it_is_read(tmp_path: Path, npy: None) -> None:
    path = write_arrays(tmp_path / "a.npy", 5)
    path.write_bytes(path.read_bytes()[:-1])
    (file,) = open_dataset(str(path)).files
    with pytest.raises(SourceError, match=r"a\.npy: is truncated: rows 0 to 4 are not there"):
        list(read_span(file, plan_chunks([file], chunk_rows=10), ["embedding"]))


def test_features_of_images_are_not_made_of_rows_with_columns(tmp_path: Path, npy: None) -> None:
    write_arrays(tmp_path / "a.npy", 5)
    settings = FeaturesSettings(source=str(tmp_path), encoder="image", output="/out")
    with pytest.raises(InputError, match=r"a\.npy.*has columns \(npy\): name the one with the texts"):
        open_source(settings)


def test_a_planned_file_whose_reader_is_not_installed_is_refused(tmp_path: Path) -> None:
    with installed_reader("npy_source"):
        (file,) = open_dataset(str(write_arrays(tmp_path / "a.npy", 5))).files
    sys.modules.pop("npy_reader")
    with pytest.raises(SettingsError, match=r"reader='npy': is not installed here.*there are parquet, archive"):
        list(read_span(file, plan_chunks([file], chunk_rows=10), ["id"]))
    with pytest.raises(SourceError, match=r"a\.ids\.npy.* is not a Parquet file"):
        open_dataset(str(tmp_path))


class Stubborn:
    """A reader of files of any content, whose answers are given."""

    name = "stubborn"
    has_columns = True
    tables: Sequence[Any] = ()

    def claims(self, url: str) -> bool:
        return url.endswith((".stubborn", ".npy"))

    def files_beside(self, url: str) -> tuple[str, ...]:
        return ()

    def contents(self, file: Listed) -> Contents:
        if file.url.endswith("broken.stubborn"):
            raise ZeroDivisionError("division by zero")
        return Contents(pa.schema({"id": pa.int64()}), (4,), sequential=True)

    def read(self, file: SourceFile, chunks: Sequence[Chunk], columns: Sequence[str]) -> Iterator[pa.Table]:
        for table in self.tables:
            if isinstance(table, Exception):
                raise table
            yield table


def register(monkeypatch: pytest.MonkeyPatch, *made: Reader | Exception, names: Sequence[str] = ("stubborn",)) -> None:
    """Let entry points say what is given, as installed packages would."""

    class Found(EntryPoint):
        def load(self) -> Any:
            reader = made[names.index(self.name)]
            if isinstance(reader, Exception):
                raise reader
            return lambda: reader

    points = EntryPoints(Found(name, f"package:{name}", readers.ENTRY_POINTS) for name in names)
    monkeypatch.setattr(readers, "entry_points", lambda group: points.select(group=group))
    readers.readers.cache_clear()


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Stubborn, SourceFile]]:
    (tmp_path / "a.stubborn").write_text("x")
    reader = Stubborn()
    register(monkeypatch, reader)
    yield reader, open_dataset(str(tmp_path / "a.stubborn")).files[0]
    readers.readers.cache_clear()


def of(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64())})


def test_a_reader_may_give_a_chunk_in_pieces(stubborn: tuple[Stubborn, SourceFile]) -> None:
    reader, file = stubborn
    reader.tables = [of(0), of(), of(1), of(2, 3)]
    read = read_span(file, plan_chunks([file], chunk_rows=2), ["id"])
    assert [table.column("id").to_pylist() for _, table in read] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([of(0), of(1, 2)], "its reader 'stubborn' gives 3 rows for rows 0 to 1"),
        ([of(0, 1), of(2)], "ends before row 3, but 4 rows were planned"),
        ([of(0, 1), KeyError("color")], "cannot be read by the reader 'stubborn': 'color'"),
        ([SourceError("b.ids", "is gone")], "b.ids: is gone"),
    ],
)
def test_what_a_reader_does_wrong_is_told_of_with_the_file(
    stubborn: tuple[Stubborn, SourceFile], tables: list[Any], said: str
) -> None:
    reader, file = stubborn
    reader.tables = tables
    with pytest.raises(SourceError, match=said):
        list(read_span(file, plan_chunks([file], chunk_rows=2), ["id"]))


def test_a_file_that_is_read_from_its_first_row_on_is_one_span(stubborn: tuple[Stubborn, SourceFile]) -> None:
    _, file = stubborn
    assert file.sequential
    chunks = plan_chunks([file], chunk_rows=1)
    assert [span.chunks for span in plan_spans([file], chunks, parallelism=4)] == [tuple(chunks)]


def test_an_error_that_nobody_foresaw_names_file_and_reader(
    stubborn: tuple[Stubborn, SourceFile], tmp_path: Path
) -> None:
    (tmp_path / "broken.stubborn").write_text("x")
    with pytest.raises(SourceError, match=r"broken\.stubborn: cannot be read by the reader 'stubborn': division by"):
        open_dataset(str(tmp_path))


def test_readers_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        register(monkeypatch, ImportError("no module named 'other'"))
        with pytest.raises(SettingsError, match=r"package:stubborn cannot be made \(ImportError: no module named"):
            readers.readers()
        register(monkeypatch, Stubborn(), names=("npy",))
        with pytest.raises(SettingsError, match="calls itself 'stubborn'; its entry point needs that name"):
            readers.readers()
        other = Stubborn()
        other.name = "other"
        register(monkeypatch, Stubborn(), other, names=("stubborn", "other"))
        (tmp_path / "a.npy").write_text("x")
        with pytest.raises(SourceError, match=r"a\.npy: is claimed by the readers 'stubborn' and 'other'"):
            open_dataset(str(tmp_path))
    finally:
        readers.readers.cache_clear()


def test_the_images_of_a_folder_are_its_rows(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden.png"):
        (tmp_path / name).write_bytes(b"12")
    folder = Listed(f"{tmp_path}/", 4, "")
    contents = readers.contents_of(readers.IMAGE_FOLDER, folder)
    assert [member.url for member in contents.members] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    file = SourceFile(folder.url, 4, "", contents.row_group_rows, 0, (), reader="image_folder")
    (tmp_path / "a.png").unlink()
    check_unchanged(file)  # Each of its files is looked up when it is read.
    (table,) = readers.IMAGE_FOLDER.read(file, [Chunk(0, 0, 0, 2, 0, members=contents.members)], ["url"])
    assert table.column("url").to_pylist() == [str(tmp_path / name).encode() for name in ("a.png", "b.png")]
