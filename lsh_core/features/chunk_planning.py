"""Cuts files into chunks of features, each with a key by which it is found again.

Where chunks begin and end follows from the files alone: not from how many workers there are, nor from the other files
of the source. So a file that is added, or a worker that is gone, changes no chunk but those that have to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

import xxhash

from lsh_core.features import decoding
from lsh_core.features.chunk_files import chunk_key
from lsh_core.features.row_columns import RowColumns
from lsh_core.features.row_reading import archive_prefix
from lsh_core.redaction import escape_non_utf8
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.listing import Listed
from lsh_core.sources.source_file import Chunk, SourceFile

CHUNKS_PER_FILE = 32
MIN_ROWS, MAX_ROWS = 256, 8_192
IMAGES_PER_CHUNK = 256
_SHARE_FOR_BORDERS = 2
_MIN_SHARE = 4


def rows_per_chunk(file: SourceFile, *, chunk_rows: int | None, chunk_bytes: int, images: bool) -> int:
    """Return how many rows a chunk of `file` may have.

    By default `CHUNKS_PER_FILE` chunks, of `MIN_ROWS` to `MAX_ROWS` texts or at most
    `IMAGES_PER_CHUNK` images. Never more than `chunk_bytes` of the file's bytes a row, as they are stored.
    """
    wanted = chunk_rows or min(max(file.rows // CHUNKS_PER_FILE, MIN_ROWS), IMAGES_PER_CHUNK if images else MAX_ROWS)
    bytes_per_row = -(-file.size // max(1, file.rows))
    return max(1, min(wanted, chunk_bytes // max(1, bytes_per_row)))


def chunks_of_file(
    file: SourceFile, columns: RowColumns, fingerprint: str, rows: int, members: Sequence[Listed] = ()
) -> list[Chunk]:
    """Cut a file into chunks of at most `rows` rows; see `lsh_core.sources.chunks.plan_chunks`.

    Parameters
    ----------
    fingerprint
        The encoder's.
    members
        Of an archive its images.
    """
    same = _shared(columns, fingerprint) | {
        "file": [file.url, file.size, file.version, file.partition_values, file.rows],
        "prefix": archive_prefix(file.url, columns.base) if members else "",
    }
    return [
        replace(
            chunk,
            key=chunk_key(same | {"rows": [chunk.start, chunk.stop]}),
            members=tuple(members[chunk.start : chunk.stop]),
        )
        for chunk in plan_chunks([file], chunk_rows=rows)
    ]


def chunks_of_images(
    images: Sequence[Listed], columns: RowColumns, fingerprint: str, chunk_rows: int | None
) -> list[Chunk]:
    """Cut sorted image files into chunks.

    The borders follow from the names [1]_: a file that is added or gone changes its own chunk, and not the place of
    every chunk behind it.

    References
    ----------
    .. [1] A. Muthitacharoen, B. Chen, D. Mazières, "A low-bandwidth network file system", SOSP 2001, section 3.1.
    """
    same = _shared(columns, fingerprint)
    chunks: list[Chunk] = []
    start = 0
    for part in _cut_by_names(images, chunk_rows or IMAGES_PER_CHUNK, columns.base):
        files = [[image.url.removeprefix(columns.base), image.size, image.version] for image in part]
        key, stop = chunk_key(same | {"images": files}), start + len(part)
        chunks.append(Chunk(len(chunks), 0, start, stop, start, key, tuple(part)))
        start = stop
    return chunks


def _cut_by_names(images: Sequence[Listed], most: int, base: str) -> Iterator[list[Listed]]:
    part: list[Listed] = []
    for image in images:
        part.append(image)
        name = escape_non_utf8(image.url.removeprefix(base))
        is_border = xxhash.xxh3_64_intdigest(name.encode()) % max(1, most // _SHARE_FOR_BORDERS) == 0
        if len(part) == most or (is_border and len(part) * _MIN_SHARE >= most):
            yield part
            part = []
    if part:
        yield part


def _shared(columns: RowColumns, fingerprint: str) -> dict[str, Any]:
    """Return the facts that decide the content of every chunk alike."""
    # A user's own encoder does not know how its images are decoded. Which fit it takes, it knows.
    pixels = {"pixels": [decoding.facts(fit) for fit in get_args(decoding.Fit)]} if columns.template is None else {}
    return pixels | {
        "encoder": fingerprint,
        "id": columns.id,
        "text": columns.template,
        "image": columns.image,
        "vector": columns.vector,
        "kept": [[field.name, str(field.type)] for field in columns.kept],
        # Where a column's paths start from, and may lead to: the same path may be two images.
        "base": columns.base if columns.places else "",
        "places": list(columns.places),
    }
