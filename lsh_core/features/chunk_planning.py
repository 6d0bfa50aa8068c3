"""Cuts files into chunks of features, each with a key.

The borders of chunks depend on each file alone, neither on the number of workers nor on other files. So an added file
or a lost worker leaves all other chunks unchanged.
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
    """Return the maximum of rows of a chunk of `file`.

    The default makes `CHUNKS_PER_FILE` chunks of `MIN_ROWS` to `MAX_ROWS` texts, or of at most `IMAGES_PER_CHUNK`
    images. A chunk never has more than `chunk_bytes` by the stored bytes per row of the file.
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
        Fingerprint of the encoder.
    members
        Images of an archive.
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

    The borders depend on the file names [1]_: an added or removed file changes its own chunk, and does not shift later
    chunks.

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


def _cut_by_names(images: Sequence[Listed], max_rows: int, base: str) -> Iterator[list[Listed]]:
    part: list[Listed] = []
    for image in images:
        part.append(image)
        name = escape_non_utf8(image.url.removeprefix(base))
        is_border = xxhash.xxh3_64_intdigest(name.encode()) % max(1, max_rows // _SHARE_FOR_BORDERS) == 0
        if len(part) == max_rows or (is_border and len(part) * _MIN_SHARE >= max_rows):
            yield part
            part = []
    if part:
        yield part


def _shared(columns: RowColumns, fingerprint: str) -> dict[str, Any]:
    """Return the facts that decide the content of every chunk."""
    # A custom encoder declares how images are fitted, but not how they are decoded.
    pixels = {"pixels": [decoding.facts(fit) for fit in get_args(decoding.Fit)]} if columns.template is None else {}
    return pixels | {
        "encoder": fingerprint,
        "id": columns.id,
        "text": columns.template,
        "image": columns.image,
        "vector": columns.vector,
        "kept": [[field.name, str(field.type)] for field in columns.kept],
        # Base and allowed folders of a column's paths: the same path may be two images.
        "base": columns.base if columns.places else "",
        "places": list(columns.places),
    }
