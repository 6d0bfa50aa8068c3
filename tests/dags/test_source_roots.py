"""Whoever can trigger a DAG must not read every file of the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsh_airflow.source_roots import VARIABLE, allowed_roots, check_source
from lsh_core.errors import SettingsError


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
