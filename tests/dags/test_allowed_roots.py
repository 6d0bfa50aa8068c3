"""Whoever can trigger a DAG must not read every file of the workers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lsh_airflow.allowed_roots import (
    OUTPUT_VARIABLE,
    VARIABLE,
    allowed_roots,
    check_image_root,
    check_output,
    check_source,
    check_weights,
)
from lsh_core.errors import SettingsError
from tests.fakes.installed_packages import installed_reader


@pytest.mark.parametrize(
    ("value", "roots"),
    [
        ("", ()),
        (" : ", ()),
        ("/data", ("/data",)),
        ("/data:/more data/x", ("/data", "/more data/x")),
        ("/data:s3://bucket/a:gs://other", ("/data", "s3://bucket/a", "gs://other")),
        ("s3://bucket/a:/data", ("s3://bucket/a", "/data")),
    ],
)
def test_paths_and_urls_are_told_apart(monkeypatch: pytest.MonkeyPatch, value: str, roots: tuple[str, ...]) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert allowed_roots() == roots


def test_without_roots_nothing_is_read_and_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=f"until {VARIABLE} is set"):
        check_source("/data/docs.parquet")


def test_a_source_under_a_root_is_allowed_and_one_beside_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv(VARIABLE, str(root))
    check_source(str(root / "docs.parquet"))
    for outside in (tmp_path / "secret.parquet", tmp_path / "database.parquet", root / ".." / "secret.parquet"):
        with pytest.raises(SettingsError):
            check_source(str(outside))


def test_what_is_read_beside_a_file_must_lie_under_a_root_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv(VARIABLE, str(root))
    (root / "a.npy").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"")
    (root / "a.ids.npy").symlink_to(tmp_path / "secret")
    with installed_reader("npy_source"), pytest.raises(SettingsError, match="outside"):
        check_source(str(root / "a.npy"))


def test_a_link_that_leaves_the_root_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "docs.parquet").write_bytes(b"")
    monkeypatch.setenv(VARIABLE, str(root))
    check_source(str(root))
    secret = tmp_path / "secret.parquet"
    secret.write_bytes(b"")
    (root / "linked.parquet").symlink_to(secret)
    for source in (root, root / "*.parquet"):
        with pytest.raises(SettingsError, match="outside"):
            check_source(str(source))
    # What a job may read of a folder is all looked at, whatever else is in it.
    (root / "gone.png").symlink_to(root / "nowhere.png")
    with pytest.raises(SettingsError, match="outside"):
        check_source(str(root))


def test_what_may_be_read_may_not_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.delenv(OUTPUT_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=f"until {OUTPUT_VARIABLE} is set"):
        check_output(str(tmp_path / "out"))
    monkeypatch.setenv(OUTPUT_VARIABLE, f"{tmp_path}/features:s3://bucket/features")
    check_output(str(tmp_path / "features" / "of-today"))
    check_output("s3://bucket/features/of-today")
    for outside in (str(tmp_path / "out"), "s3://bucket/other", "/etc", f"{tmp_path}/features/../out", "memory://x"):
        with pytest.raises(SettingsError):
            check_output(outside)


def test_weights_and_images_lie_under_a_root_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, f"{tmp_path}:https://pictures.example/of-ours/")
    for name in ("none", "imagenet", "bert_tiny_en_uncased", str(tmp_path / "model.keras")):
        check_weights(name)
    elsewhere = tmp_path.parent / "elsewhere"
    for name in ("none", "imagenet", "a-model"):
        (elsewhere / name).mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    check_weights("none")
    check_weights("imagenet")
    with pytest.raises(SettingsError):
        check_weights("a-model")
    check_image_root(str(tmp_path))
    check_image_root("https://pictures.example/of-ours/2026/")
    for outside in ("/etc/passwd", "hf://somebody/model", "s3://bucket/model", "../model"):
        with pytest.raises(SettingsError):
            check_weights(outside)
    for outside in ("/etc", "https://", "https://pictures.example/", "http://pictures.example/of-ours/"):
        with pytest.raises(SettingsError):
            check_image_root(outside)


def test_a_table_leads_to_no_file_outside_the_roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    root, path = tmp_path / "data", tmp_path / "data" / "t"
    root.mkdir()
    monkeypatch.setenv(VARIABLE, str(root))
    write_deltalake(path, pa.table({"id": ["a"]}))
    for source in (path, path / "*.parquet"):
        check_source(str(source))
    check_source(str(path), version="0")
    (data,) = path.glob("*.parquet")
    data.rename(tmp_path / "secret.parquet")
    data.symlink_to(tmp_path / "secret.parquet")
    for source in (path, path / "*.parquet", data):
        with pytest.raises(SettingsError, match="outside"):
            check_source(str(source))
    (tmp_path / "secret.parquet").rename(path / "again.parquet")
    data.unlink()
    (path / "again.parquet").rename(data)
    check_source(str(path))
    (path / "_delta_log").rename(tmp_path / "log")
    (path / "_delta_log").symlink_to(tmp_path / "log")
    with pytest.raises(SettingsError, match="outside"):
        check_source(str(path))


def test_images_in_a_table_of_another_format_are_looked_at_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    (root / ".hoodie").mkdir(parents=True)
    (root / ".hoodie" / "hoodie.properties").touch()
    monkeypatch.setenv(VARIABLE, str(root))
    check_source(str(root))
    (tmp_path / "secret.png").touch()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(SettingsError, match="outside"):
        check_source(str(root))
