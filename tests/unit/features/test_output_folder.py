"""Files that appear whole or not at all, on this machine and elsewhere."""

from __future__ import annotations

import errno
from pathlib import Path

import fsspec
import pytest

from lsh_core.errors import SourceUnavailableError
from lsh_core.features.output_folder import OutputFolder


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> OutputFolder:
    if request.param == "local":
        return OutputFolder(str(tmp_path / "out"))
    filesystem = fsspec.filesystem("memory")
    if filesystem.exists("/out"):
        filesystem.rm("/out", recursive=True)
    return OutputFolder("memory://out")


def test_what_is_written_is_read_and_listed_and_deleted(folder: OutputFolder) -> None:
    assert folder.read("chunks/a") is None
    assert folder.files("chunks") == {}
    folder.write("chunks/a", b"one")
    folder.write("chunks/a", b"another")
    folder.write("chunks/b", b"")
    assert folder.read("chunks/a") == b"another"
    assert {name: file.size for name, file in folder.files("chunks").items()} == {"chunks/a": 7, "chunks/b": 0}
    assert all(file.written_at is not None for file in folder.files("chunks").values())
    folder.delete(["chunks/a", "chunks/gone"])
    assert set(folder.files("chunks")) == {"chunks/b"}


def test_a_file_is_created_once(folder: OutputFolder) -> None:
    assert folder.create("manifest.json", b"first")
    assert not folder.create("manifest.json", b"second")
    assert folder.read("manifest.json") == b"first"


def test_a_file_is_created_once_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    folder = OutputFolder(str(tmp_path))
    assert folder.create("manifest.json", b"first")
    assert not folder.create("manifest.json", b"second")
    assert folder.read("manifest.json") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_file_that_is_half_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = OutputFolder(str(tmp_path))
    folder.write("chunks/a", b"whole")

    def die(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("os.fsync", die)
    # No input that is bad: with more space the same run succeeds.
    with pytest.raises(SourceUnavailableError, match=r"cannot be written: .*no space left") as full:
        folder.write("chunks/a", b"half")
    assert full.value.exit_code == 1
    with pytest.raises(SourceUnavailableError, match="cannot be written"):
        folder.create("chunks/b", b"half")
    assert folder.read("chunks/a") == b"whole"
    assert [path.name for path in (tmp_path / "chunks").iterdir()] == ["a"]
