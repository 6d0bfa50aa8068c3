"""When a chunk is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.features.chunk_files import (
    CHUNK_METADATA,
    ChunkRecord,
    chunk_file,
    chunk_key,
    read_dead_letters,
    read_record,
    write_chunk,
)
from lsh_core.features.output_folder import OutputFolder
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.encoder_info import EncoderInfo
from lsh_core.sources.parquet import open_parquet

KEY = chunk_key({"rows": [0, 3]})
RECORD = ChunkRecord(KEY, "a.parquet", 0, 3, rows_read=3, rows_written=2, dead_lettered=1)
ROWS = pa.table({"id": ["a", "b"], "embedding": pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))})
ENCODER = EncoderInfo("letters", "f" * 64, 2, "cosine", "embedding")
LETTERS = [DeadLetter(source="a.parquet", row=2, id="c" * 2_000, error="null_text", reason="y" * 5_000)]


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(str(tmp_path))


def test_a_chunk_that_was_written_is_done_and_says_what_made_it(folder: OutputFolder, tmp_path: Path) -> None:
    assert read_record(folder, KEY) is None
    written = write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER)
    assert read_record(folder, KEY) == written
    assert written.bytes == (tmp_path / written.file).stat().st_size
    found = pq.read_table(tmp_path / written.file)
    assert found.equals(ROWS)
    assert EncoderInfo.of_schema(found.schema, written.file) == ENCODER
    (letter,) = read_dead_letters(folder, written)
    assert (letter.source, letter.row, letter.error) == ("a.parquet", 2, "null_text")
    assert (len(letter.id or ""), len(letter.reason)) == (600, 1_000)


def test_a_try_that_gets_less_spoils_nothing_of_the_one_before(folder: OutputFolder, tmp_path: Path) -> None:
    retryable = replace(RECORD, retryable=1)
    first = write_chunk(folder, retryable, ROWS, LETTERS, ENCODER)
    worse = replace(retryable, rows_written=1, dead_lettered=2, retryable=2)
    more = [DeadLetter(source="a.parquet", row=1, id="b", error="image_unavailable", reason="x"), *LETTERS]
    second = write_chunk(folder, worse, ROWS.slice(0, 1), more, ENCODER)
    assert (tmp_path / first.file).stat().st_size == first.bytes
    assert pq.read_table(tmp_path / first.file).equals(ROWS)
    assert [len(read_dead_letters(folder, each)) for each in (first, second)] == [1, 2]
    assert write_chunk(folder, retryable, ROWS, LETTERS, ENCODER) == first
    assert read_record(folder, KEY) is None, "neither is done"
    done = write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER)
    assert read_record(folder, KEY) == done
    assert len({first.file, second.file, done.file}) == 3


def test_a_chunk_without_rows_is_done_too(folder: OutputFolder) -> None:
    record = ChunkRecord(KEY, "a.parquet", 0, 1, rows_read=1, rows_written=0, dead_lettered=1)
    written = write_chunk(folder, record, ROWS.slice(0, 0), LETTERS, ENCODER)
    assert read_record(folder, KEY) == written


def test_vectors_that_were_damaged_are_not_read(folder: OutputFolder, tmp_path: Path) -> None:
    written = write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER)
    path = tmp_path / written.file
    data = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    end = group.column(1).data_page_offset + group.column(1).total_compressed_size - 1
    data[end] ^= 1
    path.write_bytes(data)
    with open_parquet(str(path), len(data)) as parquet, pytest.raises(OSError, match="CRC"):
        parquet.read()


def test_a_file_without_its_end_is_no_chunk(folder: OutputFolder, tmp_path: Path) -> None:
    path = tmp_path / write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER).file
    whole = path.read_bytes()
    for size in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert read_record(folder, KEY) is None, size


def test_a_chunk_whose_dead_letters_are_gone_is_made_again(folder: OutputFolder, tmp_path: Path) -> None:
    written = write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER)
    (tmp_path / str(written.dead_letters_file)).unlink()
    assert read_record(folder, KEY) is None
    assert write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER) == read_record(folder, KEY) == written


def test_a_file_of_another_chunk_or_program_is_none(folder: OutputFolder, tmp_path: Path) -> None:
    path = tmp_path / write_chunk(folder, RECORD, ROWS, LETTERS, ENCODER).file
    other = chunk_key({"rows": [3, 6]})
    (tmp_path / chunk_file(other)).write_bytes(path.read_bytes())
    assert read_record(folder, other) is None
    pq.write_table(ROWS, path)
    assert read_record(folder, KEY) is None
    told = {CHUNK_METADATA: orjson.dumps({**RECORD.__dict__, "rows_written": 1})}
    pq.write_table(ROWS.replace_schema_metadata(told), path)
    assert read_record(folder, KEY) is None, "its footer tells of other rows than it has"


def test_a_key_is_the_same_for_the_same_and_another_for_anything_else() -> None:
    facts = {"encoder": "f", "rows": [0, 3], "text": "{a}"}
    assert chunk_key(facts) == chunk_key(dict(reversed(facts.items())))
    others = [{**facts, "encoder": "g"}, {**facts, "rows": [0, 4]}, {**facts, "text": "{a} "}]
    assert len({chunk_key(facts), *map(chunk_key, others)}) == 4
