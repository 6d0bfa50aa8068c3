"""What is told of a place in files that others read: valid UTF-8, as Parquet and JSON have to be."""

from __future__ import annotations


def as_utf8(text: str) -> str:
    r"""Return `text` with ``\udcff`` for what is not UTF-8, as the names of files may hold any bytes but a few."""
    return text.encode("utf-8", "backslashreplace").decode()
