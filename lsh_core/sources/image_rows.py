"""Rows of image sources: bytes of an image, its location, or an error."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pyarrow as pa

from lsh_core.sources.listing import Listed

# URLs as bytes: names of files on this machine need not be UTF-8.
_TYPES: dict[str, pa.DataType] = {
    "image": pa.binary(),
    "url": pa.binary(),
    "size": pa.int64(),
    "version": pa.string(),
    "error": pa.string(),
    "reason": pa.string(),
}
IMAGE_SCHEMA = pa.schema(_TYPES)
"""Columns of a source of images: ``image``, or ``url, size, version``, or ``error, reason``; the others are null."""


def image_bytes(data: bytes) -> pa.Table:
    """Return the row of a loaded image."""
    return _table(image=[data])


def image_fault(error: str, reason: str) -> pa.Table:
    """Return the row of an unreadable image, with the kind of error and a sentence."""
    return _table(error=[error], reason=[reason])


def image_files(files: Sequence[Listed]) -> pa.Table:
    """Return the rows of image files that are read later."""
    return _table(
        url=[os.fsencode(file.url) for file in files],
        size=[file.size for file in files],
        version=[file.version for file in files],
    )


def image_file(url: bytes, size: int, version: str) -> Listed:
    """Return the file of a row of `image_files`."""
    return Listed(os.fsdecode(url), size, version)


def _table(**columns: Sequence[object]) -> pa.Table:
    rows = len(next(iter(columns.values())))
    arrays = [pa.array(columns.get(name, [None] * rows), type_) for name, type_ in _TYPES.items()]
    return pa.table(arrays, schema=IMAGE_SCHEMA)
