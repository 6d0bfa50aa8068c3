"""Places as they are written into files."""

from __future__ import annotations

import pytest

from lsh_core.redaction import redact


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("https://me:pass@host/a.png?X-Amz-Signature=abc#x", "https://host/a.png"),
        ("https://me:p@ss@host:8080/a.png", "https://host:8080/a.png"),
        ("https://host/a.png?token", "https://host/a.png"),
        ("https://host?back=me@host", "https://host"),
        ("abfs://account/a.parquet?sv=2024&sig=a%2Fb/c=", "abfs://account/a.parquet"),
        ("sftp://me:pass@host/a", "sftp://host/a"),
        ("simplecache::https://me:pass@host/a", "simplecache::https://host/a"),
        (
            "https://host/a.png?sig=1: not found, nor https://me@host/b",
            "https://host/a.png: not found, nor https://host/b",
        ),
        ("s3://bucket/part-??.parquet", None),
        ("s3://bucket/year=202?/month=1/*.parquet", None),
        ("s3://bucket/me@home.parquet", None),
        ("/data/what?sig=1@2.png", None),
        ("/data//me@home/a?.png", None),
        ("b\udcff.png", "b\\udcff.png"),
    ],
)
def test_secrets_are_left_out_and_the_rest_is_kept(place: str, written: str | None) -> None:
    assert redact(place) == (place if written is None else written)
