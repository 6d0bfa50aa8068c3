"""How rows come off the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceChangedError, SourceError, SourceUnavailableError
from lsh_core.sources.batches import read_batches
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.reading import read_span
from lsh_core.sources.sampling import plan_sample, read_sample_part
from lsh_core.sources.source_file import Chunk
from lsh_core.sources.validation import validate_rows
from tests.fakes.flaky_filesystem import TroubledFileSystem

Write = Callable[..., Path]
Packages = Callable[..., pa.Table]


def test_partition_columns_are_added(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "day=1" / "kind=__HIVE_DEFAULT_PARTITION__" / "a.parquet", 5)
    dataset = open_dataset(str(tmp_path))
    chunks = plan_chunks(dataset.files, chunk_rows=3)
    tables = [table for _, table in read_span(dataset.files[0], chunks, ["kind", "id", "day"])]
    assert [table.num_rows for table in tables] == [2, 3]
    assert tables[1].to_pylist()[-1] == {"kind": None, "id": "p4", "day": "1"}
    assert tables[1].schema.field("kind").type == pa.string()
    only = [table for _, table in read_span(dataset.files[0], chunks, ["day"])]
    assert [table.to_pylist() for table in only] == [[{"day": "1"}] * 2, [{"day": "1"}] * 3]


def test_a_column_whose_name_begins_like_another_is_not_mixed_up(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    path = write(tmp_path / "a.parquet", packages(2, **{"id.x": pa.array([1, 2])}))
    file = open_dataset(str(path)).files[0]
    ((_, table),) = read_span(file, [Chunk(0, 0, 0, 2, 0)], ["id"])
    assert table.to_pydict() == {"id": ["p0", "p1"]}


def test_other_filesystems_are_read(memory: fsspec.AbstractFileSystem, packages: Packages) -> None:
    with memory.open("/data/a.parquet", "wb") as sink:
        pq.write_table(packages(10), sink, row_group_size=3)
    dataset = open_dataset("memory://data/a.parquet")
    ((_, table),) = read_span(dataset.files[0], [Chunk(0, 0, 2, 9, 2)], ["id"])
    assert table.column("id").to_pylist() == [f"p{place}" for place in range(2, 9)]


def test_row_groups_without_wanted_rows_are_not_read(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet", 30, row_group_size=10)
    file = open_dataset(str(path)).files[0]
    metadata = pq.read_metadata(path)
    # Whatever lies in the first and last row group is destroyed: reading them would fail.
    content = bytearray(path.read_bytes())
    for group in (0, 2):
        for column in range(metadata.num_columns):
            part = metadata.row_group(group).column(column)
            start = part.dictionary_page_offset or part.data_page_offset
            content[start : start + part.total_compressed_size] = bytes(part.total_compressed_size)
    path.write_bytes(content)
    ((_, table),) = read_span(file, [Chunk(0, 0, 12, 20, 12)], ["id", "embedding"])
    assert table.column("id").to_pylist() == [f"p{place}" for place in range(12, 20)]
    with pytest.raises(SourceError, match="rows 5 to 11 cannot be read") as raised:
        list(read_span(file, [Chunk(0, 0, 5, 12, 5)], ["id"]))
    assert raised.value.source == str(path)


def test_another_file_under_the_same_name_is_noticed(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet", 10)
    file = open_dataset(str(path)).files[0]
    write(path, 12)
    with pytest.raises(SourceChangedError, match="planned 10 rows in 1 row groups, found 12"):
        list(read_span(file, [Chunk(0, 0, 0, 10, 0)], ["id"]))


def test_a_file_that_is_gone_is_an_error_with_its_name(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "a.parquet", 10)
    file = open_dataset(str(path)).files[0]
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.parquet: there is no such file"):
        list(read_span(file, [Chunk(0, 0, 0, 10, 0)], ["id"]))


def test_null_vectors_and_halves_come_back_as_written(tmp_path: Path, write: Write) -> None:
    vectors = pa.array([[1.5, -2.0], None, [None, 3.0]], pa.list_(pa.float16(), 2))
    path = write(tmp_path / "a.parquet", pa.table({"v": vectors}))
    file = open_dataset(str(path)).files[0]
    ((_, table),) = read_span(file, [Chunk(0, 0, 0, 3, 0)], ["v"])
    assert table.column("v").to_pylist() == [[1.5, -2.0], None, [None, 3.0]]


def test_a_file_whose_column_has_no_type_is_read_beside_the_others(
    tmp_path: Path, write: Write, packages: Packages
) -> None:
    write(tmp_path / "a.parquet", packages(2, year=pa.nulls(2)))
    write(tmp_path / "b.parquet", packages(2, first=2, year=pa.array([1.5, None])))
    write(tmp_path / "c.parquet", packages(2, year=pa.nulls(2)).set_column(1, "embedding", pa.nulls(2)))
    write(tmp_path / "d.parquet", packages(2, year=pa.nulls(2)).set_column(0, "id", pa.nulls(2)))
    dataset = open_dataset(str(tmp_path))
    read = [next(read_span(file, [Chunk(0, 0, 0, 2, 0)], dataset.schema.names))[1] for file in dataset.files]
    assert [table.column("year").to_pylist() for table in read] == [[None] * 2, [1.5, None], [None] * 2, [None] * 2]
    valid = [validate_rows(table, id="id", vector="embedding", dims=2, metric="l2") for table in read]
    assert [each.ids for each in valid] == [["p0", "p1"], ["p2", "p3"], [], []]
    assert [[row.error for row in each.refused] for each in valid[2:]] == [["null_vector"] * 2, ["null_id"] * 2]
    samples = [
        read_sample_part(dataset.files[part.file], part, vector="embedding", dims=2, metric="l2")
        for part in plan_sample(dataset.files, 100, seed=0)
    ]
    assert [len(sample) for sample in samples] == [2, 2, 0, 2]


@pytest.fixture
def remote(troubled: TroubledFileSystem, packages: Packages) -> TroubledFileSystem:
    with troubled.open("/data/a.parquet", "wb") as sink:
        pq.write_table(packages(20_000), sink, row_group_size=4_000, compression="none")
    return troubled


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4])
def test_a_connection_that_breaks_is_no_broken_file(remote: TroubledFileSystem, calls: int) -> None:
    file = open_dataset("troubled://data").files[0]
    remote.trouble, remote.calls = TimeoutError("no answer"), calls
    with pytest.raises(SourceUnavailableError, match=r"^troubled:///data/a\.parquet: cannot be \w+: no answer$"):
        list(read_span(file, plan_chunks([file], chunk_rows=4_000), ["id", "embedding"]))


def test_what_is_broken_on_another_machine_is_still_broken(remote: TroubledFileSystem) -> None:
    file = open_dataset("troubled://data").files[0]
    content = bytearray(remote.cat_file("/data/a.parquet"))
    content[4:200_000] = bytes(199_996)
    remote.pipe("/data/a.parquet", bytes(content))
    with pytest.raises(SourceError, match=r"rows 0 to .* cannot be read"):
        list(read_span(file, plan_chunks([file], chunk_rows=4_000), ["id", "embedding"]))
    remote.pipe("/data/a.parquet", b"PAR1" + bytes(500))
    with pytest.raises(SourceError, match="is truncated"):
        open_dataset("troubled://data")
    remote.rm("/data/a.parquet")
    with pytest.raises(SourceError, match="there is no such file"):
        list(read_span(file, [Chunk(0, 0, 0, 1, 0)], ["id"]))


def test_texts_that_were_written_as_views_can_be_selected(tmp_path: Path) -> None:
    texts = ["a", None, "much longer than twelve bytes"]
    table = pa.table(
        {
            "text": pa.array(texts, pa.string_view()),
            "list": pa.array([[each] for each in texts], pa.list_(pa.string_view())),
            "struct": pa.array([{"in": each} for each in texts], pa.struct([("in", pa.string_view())])),
        }
    )
    pq.write_table(table, tmp_path / "views.parquet")
    dataset = open_dataset(str(tmp_path / "views.parquet"))
    assert dataset.schema.field("text").type == pa.large_string()
    ((_, _, found),) = read_batches(dataset.files, dataset.schema.names)
    assert found.take(pa.array([2, 0])).to_pylist() == [table.to_pylist()[2], table.to_pylist()[0]]
