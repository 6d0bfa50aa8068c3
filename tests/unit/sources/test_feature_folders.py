"""Which files of a folder of features are a source's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import SourceError
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.feature_folders import without_unnamed
from lsh_core.sources.listing import Listed, list_files


def write_features(folder: Path, *named: str, state: str = "complete", more: tuple[str, ...] = ()) -> None:
    (folder / "chunks").mkdir(parents=True)
    (folder / "dead-letters").mkdir()
    for name in (*named, *more):
        pq.write_table(pa.table({"id": [name], "embedding": [[1.0, 2.0]]}), folder / "chunks" / f"{name}.parquet")
    pq.write_table(pa.table({"reason": ["no text"]}), folder / "dead-letters" / "a.parquet")
    manifest: dict[str, Any] = {"state": state, "encoder": {}, "input_fingerprint": "", "format": 1}
    manifest["chunks"] = [
        {"file": f"chunks/{name}.parquet", "bytes": (folder / "chunks" / f"{name}.parquet").stat().st_size}
        for name in named
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def names(url: str) -> list[str]:
    return [file.url.rpartition("/")[2] for file in list_files(url)]


def test_only_what_the_manifest_names_is_read(tmp_path: Path) -> None:
    write_features(tmp_path / "features", "a", "b", more=("left-over",))
    assert names(str(tmp_path / "features")) == ["a.parquet", "b.parquet"]
    assert open_dataset(str(tmp_path / "features")).rows == 2
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "features"), "/feature-folder", recursive=True)
    assert names("memory://feature-folder") == ["a.parquet", "b.parquet"]


def test_a_glob_into_the_folder_goes_by_its_manifest_too(tmp_path: Path) -> None:
    write_features(tmp_path / "features", "a", "b", more=("left-over",))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "features"), "/globbed-features", recursive=True)
    for folder in (str(tmp_path / "features"), "memory://globbed-features"):
        assert names(f"{folder}/chunks") == ["a.parquet", "b.parquet"]
        assert names(f"{folder}/*/*.parquet") == ["a.parquet", "b.parquet"]
        assert names(f"{folder}/chunks/[al]*.parquet") == ["a.parquet"]
        for left_over in ("chunks/left-over.parquet", "dead-letters/*.parquet"):
            with pytest.raises(SourceError, match=r"manifest\.json names none of the files"):
                list_files(f"{folder}/{left_over}")
    (tmp_path / "features" / "manifest.json").unlink()
    assert names(f"{tmp_path}/features/chunks") == ["a.parquet", "b.parquet", "left-over.parquet"]


def test_folders_of_features_may_be_partitions(tmp_path: Path) -> None:
    write_features(tmp_path / "day=1", "a", more=("x",))
    write_features(tmp_path / "day=2", "b", more=("y",))
    assert names(str(tmp_path)) == ["a.parquet", "b.parquet"]
    assert names(f"{tmp_path}/day=*") == ["a.parquet", "b.parquet"]


def test_what_is_not_complete_is_refused(tmp_path: Path) -> None:
    write_features(tmp_path, "a", state="incomplete")
    with pytest.raises(SourceError, match="not complete"):
        list_files(str(tmp_path))


def test_a_chunk_that_is_missing_is_named(tmp_path: Path) -> None:
    write_features(tmp_path, "a", "b")
    (tmp_path / "chunks" / "b.parquet").unlink()
    with pytest.raises(SourceError, match=r"chunks/b\.parquet: is missing"):
        list_files(str(tmp_path))


def test_a_chunk_of_another_size_is_named(tmp_path: Path) -> None:
    write_features(tmp_path, "a", "b")
    pq.write_table(pa.table({"id": ["b", "c"], "embedding": [[1.0, 2.0]] * 2}), tmp_path / "chunks" / "b.parquet")
    with pytest.raises(SourceError, match=r"chunks/b\.parquet: has [\d,]+ bytes, and [\d,]+ by .*manifest\.json"):
        list_files(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", '{"state": "complete"}', "no json"])
def test_another_kind_of_manifest_is_a_file_like_others(tmp_path: Path, content: str) -> None:
    write_features(tmp_path, "a", more=("b",))
    (tmp_path / "manifest.json").write_text(content)
    assert "manifest.json" in names(str(tmp_path))
    assert "b.parquet" in names(str(tmp_path))


def test_a_store_that_does_not_say_what_is_missing_is_read_all_the_same() -> None:
    def read(url: str) -> bytes:
        raise PermissionError(url)

    part = "https://host/x/chunks/part.parquet"
    assert without_unnamed({part: Listed(part, 1, "")}, read) == {part}
    manifest = "https://host/x/manifest.json"
    with pytest.raises(PermissionError):
        without_unnamed({manifest: Listed(manifest, 1, "")}, read)
