"""Iceberg tables: the rows of a snapshot by its metadata, or a refusal; never a row that the table deleted."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform

from lsh_core.errors import (
    InputError,
    MissingPackageError,
    SettingsError,
    SourceError,
    SourceMissingError,
    SourceUnavailableError,
)
from lsh_core.sources.batches import read_batches
from lsh_core.sources.dataset import Dataset, open_dataset
from lsh_core.sources.iceberg_metadata import _TableIO
from lsh_core.sources.table_places import table_place
from tests.fakes.flaky_filesystem import TroubledFileSystem

VECTORS = pa.list_(pa.float32())


def rows_of(*ids: str, **columns: Any) -> pa.Table:
    vectors = pa.array([[1.0, 2.0]] * len(ids), VECTORS)
    return pa.table({"id": pa.array(ids, pa.string()), "embedding": vectors, **columns})


def rows(dataset: Dataset, *columns: str) -> list[tuple[Any, ...]]:
    parts = [part for _, _, part in read_batches(dataset.files, columns)]
    return sorted((tuple(row[name] for name in columns) for part in parts for row in part.to_pylist()), key=str)


def ids(url: object, version: str | None = None) -> list[str]:
    return [row[0] for row in rows(open_dataset(str(url), version), "id")]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = InMemoryCatalog("c", warehouse=f"file://{tmp_path}/w")
    found.create_namespace("n")
    yield found
    found.close()


def made(catalog: Catalog, rows: pa.Table) -> tuple[Table, Path]:
    """Make a table of one snapshot; return it and its folder."""
    table = catalog.create_table("n.t", rows.schema)
    table.append(rows)
    return table, Path(table.location().removeprefix("file://"))


def snapshot(table: Table) -> str:
    found = table.current_snapshot()
    assert found is not None
    return str(found.snapshot_id)


def test_rows_that_the_table_removed_are_not_read(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a", "b"))
    first = snapshot(table)
    table.append(rows_of("c"))
    second = snapshot(table)
    table.delete("id = 'c'")
    assert len(list(folder.rglob("*.parquet"))) == 2
    assert ids(folder) == ["a", "b"]
    assert open_dataset(str(folder)).facts().source_format == "iceberg"
    assert open_dataset(str(folder)).version == snapshot(table)
    assert ids(folder, first) == ["a", "b"]
    assert ids(folder, second) == ["a", "b", "c"]
    table.append(rows_of("d"))
    assert ids(folder, second) == ["a", "b", "c"]
    assert ids(table.metadata_location) == ["a", "b", "d"]
    table.manage_snapshots().create_tag(int(second), "released").commit()
    assert ids(folder, "released") == ["a", "b", "c"]
    for missing in ("7", "tomorrow"):
        with pytest.raises(
            SettingsError, match=r"no such snapshot, branch or tag \(any more\); there are main, released"
        ):
            open_dataset(str(folder), missing)


def test_a_part_of_a_table_goes_by_its_metadata(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a"))
    table.append(rows_of("b"))
    table.delete("id = 'a'")
    for part in ("data", "data/*.parquet", "**/*.parquet"):
        assert ids(folder / part) == ["b"]
    kept = {file.url for file in open_dataset(str(folder)).files}
    (removed,) = {str(path) for path in folder.rglob("*.parquet")} - kept
    with pytest.raises(SourceError, match="names no file of"):
        open_dataset(removed)


def test_partitions_by_transforms_add_no_columns(catalog: Catalog) -> None:
    days = pa.array([dt.datetime(2024, 1, 1, 3), dt.datetime(2024, 1, 2)], pa.timestamp("us"))
    table = catalog.create_table("n.t", rows_of("a", "b", at=days, kind=["x", "y/z"]).schema)
    with table.update_spec() as spec:
        spec.add_field("at", DayTransform(), "at_day")
        spec.add_identity("kind")
    table.append(rows_of("a", "b", at=days, kind=["x", "y/z"]))
    folder = table.location()
    dataset = open_dataset(folder)
    assert dataset.schema.names == ["id", "embedding", "at", "kind"]
    assert rows(dataset, "id", "kind") == [("a", "x"), ("b", "y/z")]
    assert [file.partition for file in dataset.files] == ["at_day=2024-01-01/kind=x", "at_day=2024-01-02/kind=y%2Fz"]


def test_imported_files_have_the_partition_of_the_metadata(catalog: Catalog, tmp_path: Path) -> None:
    """Files that a Hive table had lack their partition columns; the metadata gives them, with their type."""
    keyed = rows_of("a", n=pa.array([7], pa.int32()))
    table = catalog.create_table("n.t", keyed.schema)
    with table.update_spec() as spec:
        spec.add_identity("n")
    table.append(keyed)
    folder = Path(table.location().removeprefix("file://"))
    (data,) = folder.rglob("*.parquet")
    size = data.stat().st_size
    without = pq.read_table(data, partitioning=None).drop_columns(["n"])
    pq.write_table(without, data, store_schema=False)
    content = data.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    padding = bytes(size - len(content))  # The metadata says how many bytes the file has.
    data.write_bytes(content[:footer] + padding + content[footer:])
    dataset = open_dataset(str(folder))
    assert dataset.schema.field("n").type == pa.int32()
    assert rows(dataset, "id", "n") == [("a", 7)]


def test_renamed_and_replaced_columns_are_refused_and_dropped_ones_are_gone(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a", kind=["x"], year=pa.array([1], pa.int64())))
    with table.update_schema() as schema:
        schema.delete_column("year")
    assert open_dataset(str(folder)).schema.names == ["id", "embedding", "kind"]
    with table.update_schema() as schema:
        schema.rename_column("kind", "sort")
    with pytest.raises(SourceError, match=r"column 'kind' is 'sort' in the table by now: .*rewrite_data_files"):
        open_dataset(str(folder))
    with table.update_schema() as schema:
        schema.rename_column("sort", "kind")
    with table.update_schema() as schema:
        schema.delete_column("kind")
    with table.update_schema() as schema:
        schema.add_column("kind", table.schema().find_type("id"))
    with pytest.raises(SourceError, match="column 'kind' is no field of the table any more"):
        open_dataset(str(folder))


def test_a_renamed_field_of_a_struct_is_refused(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a", s=pa.array([{"inner": 1}])))
    assert rows(open_dataset(str(folder)), "s") == [({"inner": 1},)]
    with table.update_schema() as schema:
        schema.rename_column(("s", "inner"), "other")
    with pytest.raises(SourceError, match=r"column 's\.inner' is 's\.other' in the table by now"):
        open_dataset(str(folder))


def test_delete_files_are_refused(catalog: Catalog) -> None:
    """Row-level deletes, as Spark and Flink write them, and `pyiceberg` does not."""
    import pyiceberg.manifest as manifests

    table, folder = made(catalog, rows_of("a", "b"))
    real = manifests.DataFile.from_args
    data = next(iter(table.scan().plan_files())).file
    content = manifests.DataFileContent.POSITION_DELETES
    deletes = real(
        content=content,
        file_path=f"{data.file_path}-deletes.parquet",
        file_format=data.file_format,
        partition=data.partition,
        record_count=1,
        file_size_in_bytes=1,
        _table_format_version=2,
    )
    deletes.spec_id = 0
    io, metadata = table.io, table.metadata
    current = table.current_snapshot()
    assert current is not None
    path = f"{table.location()}/metadata/deletes.avro"
    spec, schema = table.spec(), table.schema()

    class DeleteManifest(manifests.ManifestWriterV2):
        def content(self) -> manifests.ManifestContent:
            return manifests.ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    with DeleteManifest(spec, schema, io.new_output(path), current.snapshot_id, "null") as writer:
        writer.add(
            manifests.ManifestEntry.from_args(
                status=manifests.ManifestEntryStatus.ADDED,
                snapshot_id=current.snapshot_id,
                sequence_number=2,
                file_sequence_number=2,
                data_file=deletes,
            )
        )
    written = writer.to_manifest_file()
    listed = f"{table.location()}/metadata/snap-deletes.avro"
    with manifests.write_manifest_list(
        format_version=2,
        output_file=io.new_output(listed),
        snapshot_id=current.snapshot_id,
        parent_snapshot_id=None,
        sequence_number=2,
        avro_compression="null",
    ) as lists:
        lists.add_manifests([*current.manifests(io), written])
    document = json.loads(metadata.model_dump_json())
    document["snapshots"][-1]["manifest-list"] = listed
    document["last-sequence-number"] = 2
    (folder / "metadata" / "00009-x.metadata.json").write_text(json.dumps(document))
    with pytest.raises(SourceError, match=r"has delete files: .*rewrite_data_files"):
        open_dataset(str(folder))


def test_the_newest_metadata_is_read_and_two_of_one_number_are_refused(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a"))
    old = table.metadata_location
    table.append(rows_of("b"))
    assert ids(folder) == ["a", "b"]
    assert ids(old) == ["a"]
    newest = Path(table.metadata_location.removeprefix("file://"))
    (newest.parent / f"{newest.name[:5]}-other.metadata.json").write_bytes(newest.read_bytes())
    with pytest.raises(SourceError, match="only its catalog knows which metadata file is valid"):
        open_dataset(str(folder))
    assert ids(newest) == ["a", "b"]
    (folder / "metadata" / "v7.metadata.json").write_bytes(Path(old.removeprefix("file://")).read_bytes())
    (folder / "metadata" / "version-hint.text").write_text("7")
    assert ids(folder) == ["a"]


def test_a_table_that_was_moved_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    _, folder = made(catalog, rows_of("a"))
    folder.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match=r"which is not in the table's own folder \(a shallow clone, or a table that"):
        open_dataset(str(tmp_path / "moved"))


def test_properties_of_the_table_choose_no_class_and_lead_nowhere(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a"))
    metadata = Path(table.metadata_location.removeprefix("file://"))
    document = json.loads(metadata.read_text())
    document["properties"] = {"py-io-impl": "no.such.Class", "s3.endpoint": "http://elsewhere"}
    metadata.write_text(json.dumps(document))
    assert ids(folder) == ["a"]


def test_a_table_without_a_snapshot_and_broken_metadata(catalog: Catalog) -> None:
    table = catalog.create_table("n.t", rows_of().schema)
    folder = Path(table.location().removeprefix("file://"))
    with pytest.raises(SourceMissingError, match="has no snapshot yet"):
        open_dataset(str(folder))
    (folder / "metadata" / "00005-x.metadata.json").write_text("{}")
    with pytest.raises(SourceError, match=r"its Iceberg metadata .* cannot be read"):
        open_dataset(str(folder))


def test_without_the_extra_the_table_is_refused(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = made(catalog, rows_of("a"))
    monkeypatch.delitem(sys.modules, "lsh_core.sources.iceberg_metadata", raising=False)
    monkeypatch.setitem(sys.modules, "pyiceberg.schema", None)
    with pytest.raises(MissingPackageError, match=r"an Iceberg table, needs .* pip install 'airlsh\[iceberg\]'"):
        open_dataset(str(folder))


def test_other_filesystems(memory: fsspec.AbstractFileSystem, catalog: Catalog) -> None:
    """A table whose metadata names places in fsspec's filesystem in memory."""
    table, folder = made(catalog, rows_of("a"))
    table.append(rows_of("b"))
    table.delete("id = 'a'")
    for file in folder.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"{folder}/{file.relative_to(folder)}", file.read_bytes())
    with pytest.raises(SourceError, match="which is not in the table's own folder"):
        open_dataset(f"memory:/{folder}")


def test_a_storage_that_does_not_answer_is_no_wrong_table(catalog: Catalog, troubled: TroubledFileSystem) -> None:
    _, folder = made(catalog, rows_of("a"))
    for file in (folder / "metadata").glob("*.json"):
        troubled.pipe_file(f"/t/metadata/{file.name}", file.read_bytes())
    failed: list[InputError | SourceUnavailableError] = []
    for calls in range(5):
        troubled.trouble, troubled.calls = OSError("connection reset"), calls
        with pytest.raises((SourceUnavailableError, InputError)) as caught:
            open_dataset("troubled://t")
        failed.append(caught.value)
    # The metadata is read at last, and names files on this machine.
    kinds = [type(error) for error in failed]
    first = kinds.index(SourceError)
    assert first > 2
    assert kinds == [SourceUnavailableError] * first + [SourceError] * (5 - first)
    assert {str(error).rpartition(": ")[2] for error in failed[:first]} == {"connection reset"}
    assert "names file:///" in str(failed[first])

    troubled.trouble = None
    place = table_place("troubled://t")
    assert place is not None
    name = troubled.ls("/t/metadata", detail=False)[0]
    file = _TableIO(place).new_input(f"troubled://{name}")
    stream = file.open()
    troubled.trouble, troubled.calls = TimeoutError("no answer"), 0
    for ask in (stream.read, file.exists, file.__len__, file.open):
        with pytest.raises(SourceUnavailableError, match="no answer"):
            ask()


def test_metadata_after_the_hint_is_read(catalog: Catalog) -> None:
    table, folder = made(catalog, rows_of("a"))
    locations = [table.metadata_location]
    for name in ("b", "c"):
        table.append(rows_of(name))
        locations.append(table.metadata_location)
    metadata = folder / "metadata"
    for number, location in enumerate(locations, 8):
        (metadata / f"v{number}.metadata.json").write_bytes(Path(location.removeprefix("file://")).read_bytes())
    (metadata / "version-hint.text").write_text("8")
    assert ids(folder) == ["a", "b", "c"]
    (metadata / "v9.metadata.json").unlink()
    assert ids(folder) == ["a"]
