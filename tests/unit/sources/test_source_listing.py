"""Which files a URL means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from lsh_core.errors import SourceError, SourceUnavailableError
from lsh_core.sources.listing import IRREGULAR, list_files, look_up
from tests.fakes.flaky_filesystem import TroubledFileSystem


def names(url: str | Path, base: Path) -> list[str]:
    return [os.path.relpath(file.url, base) for file in list_files(str(url))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.parquet",
        "a.parquet",
        "deep/er/c.parquet",
        "_SUCCESS",
        ".b.parquet.crc",
        "_temporary/0/d.parquet",
        ".hidden/e.parquet",
    ):
        path = tmp_path / "_root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "_root"


def test_a_folder_is_listed_whole_sorted_and_without_hidden_names(tree: Path) -> None:
    # The folder's own name may start with "_": it was asked for.
    assert names(tree, tree) == ["a.parquet", "b.parquet", "deep/er/c.parquet"]


def test_one_file_is_itself_even_if_its_name_is_hidden(tree: Path) -> None:
    assert names(tree / "_SUCCESS", tree) == ["_SUCCESS"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.parquet", ["a.parquet", "b.parquet"]),
        ("**/*.parquet", ["a.parquet", "b.parquet", "deep/er/c.parquet"]),
        ("[b-z].parquet", ["b.parquet"]),
        ("?.parquet", ["a.parquet", "b.parquet"]),
        ("d*", ["deep/er/c.parquet"]),
        ("**", ["a.parquet", "b.parquet", "deep/er/c.parquet"]),
    ],
)
def test_a_glob_takes_files_and_whole_folders(tree: Path, pattern: str, found: list[str]) -> None:
    assert names(tree / pattern, tree) == found


def test_a_name_that_looks_like_a_glob_and_exists_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].parquet").write_bytes(b"")
    (tmp_path / "a1.parquet").write_bytes(b"")
    assert names(tmp_path / "a[1].parquet", tmp_path) == ["a[1].parquet"]


def test_links_to_files_and_folders_are_followed_and_a_ring_of_links_ends(tree: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "folder").symlink_to(tree / "deep")
    (source / "file.parquet").symlink_to(tree / "a.parquet")
    (source / "ring").symlink_to(source)
    assert names(source, source) == ["file.parquet", "folder/er/c.parquet"]


def test_what_may_not_be_read_is_an_error_not_left_out(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match=r"cannot be listed: .*Permission denied.*deep"):
        list_files(str(tree))


def test_a_link_to_nothing_is_named(tree: Path) -> None:
    (tree / "lost.parquet").symlink_to(tree / "nowhere")
    with pytest.raises(SourceError, match=r"No such file or directory.*lost\.parquet"):
        list_files(str(tree))


def test_a_list_may_name_what_is_no_file(tree: Path) -> None:
    (tree / "lost.parquet").symlink_to(tree / "nowhere")
    found = {os.path.basename(file.url): file.size for file in list_files(str(tree), irregular=True)}
    assert found == {"a.parquet": 9, "b.parquet": 9, "c.parquet": 17, "lost.parquet": IRREGULAR}
    with pytest.raises(SourceError, match="there is no such file"):
        list_files(str(tree / "lost.parquet"), irregular=True)


def test_file_urls_relative_paths_and_plain_paths_are_the_same(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    assert list_files(f"file://{tree}") == list_files(str(tree)) == list_files("_root")


def test_version_and_size_tell_another_file(tree: Path) -> None:
    path = tree / "a.parquet"
    before = look_up(str(path))
    os.utime(path, ns=(1, 1))
    after = look_up(str(path))
    assert before is not None
    assert after is not None
    assert (before.size, after.version) == (after.size, "1")
    assert before.version != after.version
    path.unlink()
    assert look_up(str(path)) is None


def test_other_filesystems_are_listed_by_url(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe({"/data/x=1/b.parquet": b"bb", "/data/x=1/_log": b"", "/data/a.parquet": b"a"})
    assert [(file.url, file.size) for file in list_files("memory://data")] == [
        ("memory:///data/a.parquet", 1),
        ("memory:///data/x=1/b.parquet", 2),
    ]
    assert [file.size for file in list_files("memory://data/*/*.parquet")] == [2]
    before = look_up("memory:///data/a.parquet")
    memory.pipe("/data/a.parquet", b"c")
    assert before is not None
    assert look_up("memory:///data/a.parquet") != before
    assert look_up("memory:///data/none.parquet") is None


def test_etags_are_versions(memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe("/data/a.parquet", b"a")
    info = {"name": "/data/a.parquet", "size": 1, "type": "file", "ETag": '"e1"'}
    monkeypatch.setattr(type(memory), "info", lambda self, path, **_: info)
    found = look_up("memory:///data/a.parquet")
    assert found is not None
    assert found.version == "e1"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("none.parquet", "no such file"),
        ("none/*.parquet", "no files are there"),
        ("empty", "no files are there"),
        ("hidden", "no files are there"),
    ],
)
def test_nothing_there_says_so(tmp_path: Path, source: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "_SUCCESS").write_bytes(b"")
    with pytest.raises(SourceError, match=reason) as raised:
        list_files(str(tmp_path / source))
    assert str(tmp_path / source) in str(raised.value)


def test_an_unknown_scheme_and_a_missing_package_say_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened: Protocol not known: nosuch"):
        list_files("nosuch://bucket/a.parquet")


def test_a_pipe_is_not_a_file(tmp_path: Path, write: Callable[..., Path]) -> None:
    write(tmp_path / "a.parquet")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        list_files(str(tmp_path))


class CloudError(Exception):
    """As the packages of the clouds have them: no error of Python, with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


class NoCredentialsError(Exception):
    """As boto has it."""


@pytest.mark.parametrize("look", [list_files, look_up])
@pytest.mark.parametrize("path", ["data", "data/a.parquet", "data/*.parquet"])
@pytest.mark.parametrize(
    "trouble",
    [
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        OSError(16, "Slow Down"),
        OSError("who knows"),
        CloudError(503),
        CloudError(429),
        RuntimeError("Session is closed"),
    ],
    ids=repr,
)
def test_a_storage_that_does_not_answer_may_answer_later(
    troubled: TroubledFileSystem, look: Callable[[str], object], path: str, trouble: Exception
) -> None:
    troubled.pipe("/data/a.parquet", b"a")
    troubled.trouble = trouble
    with pytest.raises(SourceUnavailableError, match=r"cannot be (listed|looked up)") as raised:
        look(f"troubled://{path}")
    assert raised.value.source == f"troubled://{path}"
    assert str(trouble) in raised.value.reason


@pytest.mark.parametrize("look", [list_files, look_up])
@pytest.mark.parametrize(
    "trouble",
    [
        PermissionError("Access Denied"),
        OSError("Forbidden: bucket/a.parquet"),
        OSError(22, "The specified bucket is not valid"),
        ValueError("Bad Request"),
        CloudError(403),
        NoCredentialsError("Unable to locate credentials"),
    ],
    ids=repr,
)
def test_a_storage_that_says_no_is_not_asked_again(
    troubled: TroubledFileSystem, look: Callable[[str], object], trouble: Exception
) -> None:
    troubled.trouble = trouble
    with pytest.raises(SourceError, match=r"cannot be (listed|looked up)"):
        look("troubled://data")


def test_trouble_while_a_folder_is_listed_is_not_an_empty_folder(troubled: TroubledFileSystem) -> None:
    troubled.pipe("/data/a.parquet", b"a")
    troubled.trouble, troubled.calls = TimeoutError(), 1
    with pytest.raises(SourceUnavailableError, match="cannot be listed: TimeoutError"):
        list_files("troubled://data")
