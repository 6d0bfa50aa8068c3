"""Which files of a folder of features are a source's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceError
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.feature_folders import feature_files
from lsh_core.sources.listing import Listed, list_files


def write_features(folder: Path, *named: str, state: str = "complete", more: tuple[str, ...] = ()) -> None:
    for part in ("_airlsh/chunks", "_airlsh/refused", "rows", "_dead_letters"):
        (folder / part).mkdir(parents=True)
    for name in (*named, *more):
        stored = folder / "_airlsh" / "chunks" / f"{name}.pq"
        pq.write_table(pa.table({"id": [name], "embedding": [[1.0, 2.0]]}), stored)
        shutil.copy(stored, folder / "rows" / f"{name}.parquet")
    pq.write_table(pa.table({"reason": ["no text"]}), folder / "_airlsh" / "refused" / "a.pq")
    shutil.copy(folder / "_airlsh" / "refused" / "a.pq", folder / "_dead_letters" / "a.pq")
    manifest: dict[str, Any] = {"state": state, "encoder": {}, "input_fingerprint": "", "format": 1}
    manifest["chunks"] = [
        {
            "file": f"_airlsh/chunks/{name}.pq",
            "bytes": (folder / "_airlsh" / "chunks" / f"{name}.pq").stat().st_size,
        }
        for name in named
    ]
    (folder / "_airlsh" / "manifest.json").write_text(json.dumps(manifest))


def names(url: str) -> list[str]:
    return [file.url.rpartition("/")[2] for file in list_files(url)]


def test_only_what_the_manifest_names_is_read(tmp_path: Path) -> None:
    write_features(tmp_path / "features", "a", "b", more=("left-over",))
    assert names(str(tmp_path / "features")) == ["a.pq", "b.pq"]
    dataset = open_dataset(str(tmp_path / "features"))
    assert (dataset.rows, dataset.left_out.count) == (2, 0)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "features"), "/feature-folder", recursive=True)
    assert names("memory://feature-folder") == ["a.pq", "b.pq"]


def test_a_glob_into_the_folder_goes_by_its_manifest_too(tmp_path: Path) -> None:
    write_features(tmp_path / "features", "a", "b", more=("left-over",))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "features"), "/globbed-features", recursive=True)
    for folder in (str(tmp_path / "features"), "memory://globbed-features"):
        assert names(f"{folder}/rows") == ["a.parquet", "b.parquet"]
        assert names(f"{folder}/*/*.parquet") == ["a.parquet", "b.parquet"]
        assert names(f"{folder}/rows/[al]*.parquet") == ["a.parquet"]
        assert names(f"{folder}/**") == ["a.pq", "b.pq"]
        assert names(f"{folder}/_dead_letters") == ["a.pq"]
        with pytest.raises(SourceError, match=r"manifest\.json names none of the files"):
            list_files(f"{folder}/rows/left-over.parquet")
    (tmp_path / "features" / "_airlsh" / "manifest.json").unlink()
    assert names(f"{tmp_path}/features/rows") == ["a.parquet", "b.parquet", "left-over.parquet"]


def test_folders_of_features_may_be_partitions(tmp_path: Path) -> None:
    write_features(tmp_path / "day=1", "a", more=("x",))
    write_features(tmp_path / "day=2", "b", more=("y",))
    assert names(str(tmp_path)) == ["a.pq", "b.pq"]
    assert names(f"{tmp_path}/day=*") == ["a.pq", "b.pq"]
    assert {file.partition for file in open_dataset(str(tmp_path)).files} == {"day=1", "day=2"}


def test_what_is_not_complete_is_refused(tmp_path: Path) -> None:
    write_features(tmp_path, "a", state="incomplete")
    with pytest.raises(SourceError, match="not complete"):
        list_files(str(tmp_path))


def test_a_chunk_that_is_missing_is_named(tmp_path: Path) -> None:
    write_features(tmp_path, "a", "b")
    (tmp_path / "_airlsh" / "chunks" / "b.pq").unlink()
    with pytest.raises(SourceError, match=r"chunks/b\.pq: is missing"):
        list_files(str(tmp_path))


def test_a_chunk_of_another_size_is_named(tmp_path: Path) -> None:
    write_features(tmp_path, "a", "b")
    pq.write_table(
        pa.table({"id": ["b", "c"], "embedding": [[1.0, 2.0]] * 2}), tmp_path / "_airlsh" / "chunks" / "b.pq"
    )
    with pytest.raises(SourceError, match=r"chunks/b\.pq: has [\d,]+ bytes, and [\d,]+ by .*manifest\.json"):
        list_files(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", '{"state": "complete"}', "no json"])
def test_another_kind_of_manifest_is_a_file_like_others(tmp_path: Path, content: str) -> None:
    write_features(tmp_path, "a", more=("b",))
    (tmp_path / "_airlsh" / "manifest.json").write_text(content)
    (tmp_path / "manifest.json").write_text(content)
    assert names(str(tmp_path)) == ["manifest.json", "a.parquet", "b.parquet"]


def test_a_folder_of_an_earlier_layout_is_told(tmp_path: Path) -> None:
    write_features(tmp_path, "a")
    (tmp_path / "_airlsh" / "manifest.json").rename(tmp_path / "manifest.json")
    with pytest.raises(SourceError, match="was written by an earlier airlsh, whose layout is not read"):
        list_files(str(tmp_path))


def test_a_store_that_does_not_say_what_is_missing_is_read_all_the_same() -> None:
    def read(url: str) -> bytes:
        raise PermissionError(url)

    part = "https://host/x/rows/part.parquet"
    file = Listed(part, 1, "")
    assert feature_files({part: file}, {}, read) == ({part: file}, [])
    manifest = "https://host/x/_airlsh/manifest.json"
    with pytest.raises(PermissionError):
        feature_files({part: file}, {manifest: lambda: file}, read)
