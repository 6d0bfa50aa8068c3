"""Which URLs a form may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsh_core.errors import SettingsError
from lsh_core.sources.allowed_roots import check_allowed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "database").mkdir()
    (tmp_path / "data" / "out").symlink_to(tmp_path / "database")
    (tmp_path / "data" / "in").symlink_to(tmp_path / "data" / "sub")
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["", "/", "/x.parquet", "/sub", "/sub/*.parquet", "/**/day=*", "/in/x", "//sub"])
def test_what_lies_under_a_root_is_allowed(root: Path, name: str) -> None:
    check_allowed(f"{root}{name}", [str(root)])
    check_allowed(f"file://{root}{name}", [f"file://{root}/"])


@pytest.mark.parametrize("name", ["base/x", "/../database/x", "/out/x", "/sub/../../database", "/./../x"])
def test_what_leaves_the_root_is_not(root: Path, name: str) -> None:
    for url in (f"{root}{name}", f"file://{root}{name}"):
        with pytest.raises(SettingsError):
            check_allowed(url, [str(root)])


def test_a_root_that_is_a_link_is_where_it_points(root: Path) -> None:
    check_allowed(str(root / "sub" / "x"), [str(root / "in")])


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/a",
        "s3://bucket/a/",
        "s3://bucket/a/x.parquet",
        "s3://bucket/a/*/x",
        "gs://other",
        "gs://other/deep/x",
    ],
)
def test_buckets_and_parts_of_them(url: str) -> None:
    check_allowed(url, ["s3://bucket/a/", "gs://other"])


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/ab",
        "s3://bucket",
        "s3://buck/a/x",
        "gs://bucket/a/x",
        "s3://bucket/a/../b",
        "gs://other-2/x",
        "http://169.254.169.254/latest",
        "memory://x",
        "local:///etc/passwd",
        "S3://bucket/a",
        "ssh://host/x",
        "simplecache::s3://bucket/a/x",
        "zip://x.parquet::s3://bucket/a/y.zip",
        "s3://bucket/a/\0x",
        "/etc/passwd",
        "file:/etc/passwd",
        "~/x",
        "s3:/bucket/a/x",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_allowed(url, ["s3://bucket/a", "gs://other", "/data"])
    assert raised.value.setting == "source"


def test_without_roots_nothing_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"outside the allowed places \(none\)"):
        check_allowed(str(tmp_path), [])


def test_a_path_that_fsspec_reads_otherwise_is_checked_as_fsspec_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a relative path "file:/etc/passwd" would lie under the current folder; fsspec opens /etc/passwd.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError):
        check_allowed("file:/etc/passwd", [str(tmp_path)])
