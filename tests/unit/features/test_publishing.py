"""What a folder of features is, whoever wrote to it last, and what is deleted."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import orjson
import pytest

from lsh_core.errors import SourceError
from lsh_core.features.chunk_files import ChunkRecord
from lsh_core.features.manifest import LEFTOVER_SECONDS, Manifest, input_fingerprint, read_manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.publishing import begin, delete_unnamed, missing_chunks, publish, show
from lsh_core.sources.encoder_info import EncoderDescription
from lsh_core.sources.feature_folders import MANIFEST

ENCODER = EncoderDescription("letters", "f" * 64, 2, "cosine")


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(str(tmp_path))


def manifest(folder: OutputFolder, *keys: str, state: str = "complete") -> Manifest:
    """A manifest of chunks of ten rows, one of them dead lettered; their files are written."""
    chunks = tuple(ChunkRecord(key, "a.parquet", 0, 10, 10, 9, 1, bytes=3) for key in keys)
    for chunk in chunks:
        folder.write(chunk.file, b"abc")
        folder.write(str(chunk.dead_letters_file), b"d")
    return Manifest(state, ENCODER, "a.parquet", "id", "{a}", None, "embedding", "0" * 64, chunks)


def names(folder: OutputFolder) -> set[str]:
    return {Path(name).stem for name in folder.files("_airlsh/chunks")} | {
        Path(name).stem for name in folder.files("_airlsh/refused")
    }


def test_a_first_run_says_that_it_is_not_complete(folder: OutputFolder) -> None:
    assert begin(folder, manifest(folder, state="incomplete")) is None
    found = read_manifest(folder)
    assert found is not None
    assert found.state == "incomplete"
    with pytest.raises(ValueError, match="incomplete"):
        publish(folder, found)


def test_a_later_run_leaves_what_is_complete_until_it_is_itself(folder: OutputFolder) -> None:
    first = manifest(folder, "a", "b")
    publish(folder, first)
    assert begin(folder, manifest(folder, state="incomplete")) == first
    second = manifest(folder, "b", "c")
    assert read_manifest(folder) == first
    published = publish(folder, second)
    assert read_manifest(folder) == published
    assert published == replace(second, retired=published.retired)
    assert (second.rows_read, second.rows_written, second.dead_lettered) == (20, 18, 2)


def test_who_reads_by_an_earlier_manifest_has_a_day(folder: OutputFolder, tmp_path: Path) -> None:
    publish(folder, manifest(folder, "a", "b"))
    long_ago = datetime.now(UTC) - timedelta(seconds=LEFTOVER_SECONDS + 60)
    for path in tmp_path.glob("*/*"):
        os.utime(path, (long_ago.timestamp(), long_ago.timestamp()))
    second = publish(folder, manifest(folder, "b", "c"))
    assert set(second.retired) == {"_airlsh/chunks/a.pq", "_airlsh/refused/a.pq"}
    assert delete_unnamed(folder, second) == 0
    third = publish(folder, replace(manifest(folder, "c"), written_at=long_ago.isoformat()))
    assert len(third.retired) == 4
    assert third.retired["_airlsh/chunks/a.pq"] == second.written_at
    assert delete_unnamed(folder, third) == 2
    assert names(folder) == {"a", "c"}
    assert set(publish(folder, manifest(folder, "a")).retired) == {"_airlsh/chunks/c.pq", "_airlsh/refused/c.pq"}


def test_what_another_run_is_writing_is_not_deleted(folder: OutputFolder, tmp_path: Path) -> None:
    second = manifest(folder, "b")
    manifest(folder, "of-another-run", "left-behind", ".left-behind")
    long_ago = time.time() - LEFTOVER_SECONDS - 60
    for path in tmp_path.glob("_airlsh/*/*left-behind.pq"):
        os.utime(path, (long_ago, long_ago))
    delete_unnamed(folder, publish(folder, second))
    assert {path.stem for path in tmp_path.glob("_airlsh/*/*")} == {"b", "of-another-run"}


def test_a_run_whose_manifest_was_replaced_deletes_nothing(folder: OutputFolder, tmp_path: Path) -> None:
    first, second = manifest(folder, "a"), manifest(folder, "b")
    long_ago = time.time() - LEFTOVER_SECONDS - 60
    for path in tmp_path.glob("*/a.parquet"):
        os.utime(path, (long_ago, long_ago))
    second = publish(folder, second)
    publish(folder, first)
    assert delete_unnamed(folder, second) == 0
    assert names(folder) == {"a", "b"}


def test_what_another_run_deleted_is_missed(folder: OutputFolder) -> None:
    both = manifest(folder, "a", "b", "c")
    assert missing_chunks(folder, both) == []
    folder.delete([both.chunks[0].file, str(both.chunks[1].dead_letters_file)])
    assert [chunk.key for chunk in missing_chunks(folder, both)] == ["a", "b"]
    folder.write(both.chunks[2].file, b"other bytes")
    assert [chunk.key for chunk in missing_chunks(folder, both)] == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 99}', b"\xff"])
def test_a_file_of_that_name_that_is_something_else_is_refused(folder: OutputFolder, content: bytes) -> None:
    folder.write(MANIFEST, content)
    with pytest.raises(SourceError, match="is no manifest of features"):
        begin(folder, manifest(folder, state="incomplete"))
    assert folder.read(MANIFEST) == content


def test_the_fingerprint_of_a_source_is_that_of_its_files() -> None:
    files = [("a.parquet", 10, "1"), ("b.parquet", 20, "2")]
    assert input_fingerprint(files) == input_fingerprint(list(files))
    assert input_fingerprint(files) != input_fingerprint([("a.parquet", 10, "1"), ("b.parquet", 20, "3")])


def shown(folder: OutputFolder) -> dict[str, bytes | None]:
    return {name: folder.read(name) for name in folder.files("rows")}


def test_nothing_is_written_outside_the_output(folder: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    output, touched = Path(folder.place("")), []
    mkdir, rename = Path.mkdir, os.rename

    def watched_mkdir(path: Path, *args: object, **kwargs: object) -> None:
        touched.append(path)
        mkdir(path, *args, **kwargs)  # type: ignore[arg-type]

    def watched_rename(old: Path, new: Path) -> None:
        touched.extend((Path(old), Path(new)))
        rename(old, new)

    monkeypatch.setattr(Path, "mkdir", watched_mkdir)
    monkeypatch.setattr(os, "rename", watched_rename)
    publish(folder, manifest(folder, "a", "b"))
    publish(folder, manifest(folder, "b", "c"))
    assert set(shown(folder)) == {"rows/b.parquet", "rows/c.parquet"}
    assert len(touched) > 4
    assert all(output in path.parents for path in touched)
    assert {path.name for path in (output / "_airlsh").iterdir()} == {"chunks", "refused", "manifest.json"}


def test_a_set_is_made_under_names_that_nobody_reads(folder: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Path(folder.place(""))
    publish(folder, manifest(folder, "a"))
    copy2 = shutil.copy2

    def slow_copy(old: Path, new: Path) -> None:
        copy2(old, new)
        assert {path.parent.name for path in output.rglob("*.parquet")} == {"rows"}

    def no_links(*_: object) -> None:
        raise PermissionError

    second = manifest(folder, "a", "b")
    monkeypatch.setattr(shutil, "copy2", slow_copy)
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(folder, "write", lambda name, data: (output / name).write_bytes(data))
    publish(folder, second)
    assert set(shown(folder)) == {"rows/a.parquet", "rows/b.parquet"}


def test_a_manifest_that_another_version_wrote_is_shown_once(folder: OutputFolder, tmp_path: Path) -> None:
    folder.write(MANIFEST, orjson.dumps(orjson.loads(manifest(folder, "a").to_bytes())))
    show(folder)
    assert set(shown(folder)) == {"rows/a.parquet"}


def test_a_manifest_that_is_replaced_all_the_time_ends(folder: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(MANIFEST, manifest(folder, "a").to_bytes())
    reads = 0
    read = folder.read

    def replaced(name: str) -> bytes | None:
        nonlocal reads
        reads += 1
        data = read(name)
        return data if data is None else data + b" " * reads

    monkeypatch.setattr(folder, "read", replaced)
    show(folder)
    assert reads < 100


def test_a_chunk_that_was_written_again_in_as_many_bytes_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    folder = OutputFolder("memory://written-again")
    try:
        published = publish(folder, manifest(folder, "a", "b"))
        folder.write(published.chunks[0].file, b"xyz")
        copied = []
        copy = folder.copy
        monkeypatch.setattr(folder, "copy", lambda old, new: (copied.append(new), copy(old, new)))
        monkeypatch.delattr(OutputFolder, "size")
        show(folder)
        assert shown(folder) == {"rows/a.parquet": b"xyz", "rows/b.parquet": b"abc"}
        assert copied == ["rows/a.parquet"]
    finally:
        memory.rm("/written-again", recursive=True)
