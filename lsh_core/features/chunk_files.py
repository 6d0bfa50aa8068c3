"""Files of one chunk of features: rows with vectors, and dead letters.

Files are named by the key of the chunk, so that later runs of the same work find them. The file with the rows is
written last, and its footer holds the record of the chunk. A chunk is done when its footer can be read and has the
chunk's key, and its dead letters exist. After a run or worker was killed, each chunk is either done or absent.

A chunk with images that may still be fetched is not done. Each attempt at it has its own file names, so that a later
attempt with fewer images overwrites nothing that a manifest names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from lsh_core.errors import SourceError
from lsh_core.features.output_folder import OutputFolder
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.encoder_info import EncoderInfo
from lsh_core.sources.feature_folders import CHUNKS, REFUSED
from lsh_core.sources.parquet import open_parquet

FORMAT = 2
CHUNK_METADATA = b"airlsh.chunk"

_DEAD_LETTER_TYPES: dict[str, pa.DataType] = {
    "source": pa.string(),
    "row": pa.int64(),
    "id": pa.string(),
    "error": pa.string(),
    "reason": pa.string(),
}
DEAD_LETTER_SCHEMA = pa.schema(_DEAD_LETTER_TYPES)


@dataclass(frozen=True)
class ChunkRecord:
    """Record of a finished chunk, stored in its file.

    Attributes
    ----------
    source, start, stop
        Rows [`start`, `stop`) of the file `source`; for image files, the first file and the number of files.
    rows_read, rows_written, dead_lettered
        The first is the sum of the others.
    retryable
        Dead letters of images that could not be fetched; a later run retries them.
    bytes
        Size of the file with the rows.
    attempt
        Hash of the content of an attempt with `retryable` dead letters, a part of its file names; empty for a finished
        chunk.
    """

    key: str
    source: str
    start: int
    stop: int
    rows_read: int
    rows_written: int
    dead_lettered: int
    retryable: int = 0
    bytes: int = 0
    attempt: str = ""

    @property
    def name(self) -> str:
        """Base name of its files: the key, and the hash of an attempt."""
        return f"{self.key}-{self.attempt}" if self.attempt else self.key

    @property
    def file(self) -> str:
        """Name of the file with the rows."""
        return chunk_file(self.name)

    @property
    def dead_letters_file(self) -> str | None:
        """Name of the file with the dead letters, if there are any."""
        return dead_letters_file(self.name) if self.dead_lettered else None


def chunk_key(facts: Mapping[str, Any]) -> str:
    """Return the key of a chunk: a hash of everything that decides its content."""
    # orjson is not used: it refuses file names that are not UTF-8.
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def chunk_file(key: str) -> str:
    """Return the name of the file with the rows of chunk `key`."""
    return f"{CHUNKS}/{key}.pq"


def dead_letters_file(key: str) -> str:
    """Return the name of the file with the dead letters of chunk `key`."""
    return f"{REFUSED}/{key}.pq"


def write_chunk(
    folder: OutputFolder, record: ChunkRecord, rows: pa.Table, letters: Sequence[DeadLetter], encoder: EncoderInfo
) -> ChunkRecord:
    """Write a chunk or an attempt; return its record with its size.

    Parameters
    ----------
    rows
        The kept columns and the vectors, in source order.
    encoder
        Encoder of the vectors; written to the file's schema.
    """
    cut = [asdict(each.shortened()) for each in letters]
    refused = _parquet(pa.Table.from_pylist(cut, DEAD_LETTER_SCHEMA))
    if record.retryable:
        record = replace(record, attempt=hashlib.sha256(_parquet(rows) + refused).hexdigest()[:16])
    if record.dead_letters_file:
        folder.write(record.dead_letters_file, refused)
    told = {**encoder.to_metadata(), CHUNK_METADATA: orjson.dumps(asdict(record))}
    data = _parquet(rows.replace_schema_metadata(told))
    folder.write(record.file, data)
    return replace(record, bytes=len(data))


def read_record(folder: OutputFolder, key: str) -> ChunkRecord | None:
    """Return the record of a finished chunk, or None.

    The result is None if the chunk does not exist, a file is truncated, the dead letters are missing, or only attempts
    exist.
    """
    name = chunk_file(key)
    size = folder.size(name)
    if not size:
        return None
    try:
        with open_parquet(folder.place(name), size) as parquet:
            told = (parquet.schema_arrow.metadata or {}).get(CHUNK_METADATA)
            rows = parquet.metadata.num_rows
    except SourceError:
        return None
    if told is None:
        return None
    record = replace(ChunkRecord(**orjson.loads(told)), bytes=size)
    if record.name != key or record.rows_written != rows:
        return None
    return record if record.dead_letters_file is None or folder.size(record.dead_letters_file) else None


def read_dead_letters(folder: OutputFolder, record: ChunkRecord) -> list[DeadLetter]:
    """Return the dead letters of a chunk, in source order."""
    data = folder.read(record.dead_letters_file) if record.dead_letters_file else None
    if data is None:
        return []
    return [DeadLetter(**row) for row in pq.read_table(pa.BufferReader(data)).to_pylist()]


def _parquet(table: pa.Table) -> bytes:
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    sink = pa.BufferOutputStream()
    # Vectors have no repeated values, so a dictionary would be useless.
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, len(table)),
        use_dictionary=flat,  # type: ignore[arg-type]
        compression="zstd",
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data
