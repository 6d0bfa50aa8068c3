"""The way of chunks through one worker: in order, ahead of itself by a little, and over when something fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.errors import ImageError, SourceChangedError, SourceError
from lsh_core.features.chunk_files import ChunkRecord
from lsh_core.features.image_loading import ImageUnavailableError, Payload
from lsh_core.features.pipeline import Pipeline, Pixels
from lsh_core.features.row_reading import ChunkRows, Input
from lsh_core.features.specification import EncoderSpec
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.source_file import Chunk, SourceFile
from tests.fakes.encoders import DIMS, TinyEncoder, letters, stripes

SPEC = EncoderSpec("tiny")


class Written:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.letters: list[DeadLetter] = []

    def __call__(self, record: ChunkRecord, rows: pa.Table, letters: Sequence[DeadLetter]) -> ChunkRecord:
        self.tables.append(rows)
        self.letters += letters
        return record

    @property
    def ids(self) -> list[str]:
        return [identity for table in self.tables for identity in table.column("id").to_pylist()]

    @property
    def vectors(self) -> np.ndarray:
        parts = [table.column("embedding").combine_chunks().flatten().to_numpy() for table in self.tables]
        return np.concatenate(parts).reshape(-1, DIMS)


def chunks(count: int, rows: int, make: Callable[[int], Input]) -> Iterator[ChunkRows]:
    for number in range(count):
        start = number * rows
        ids: list[str | None] = [f"row {row}" for row in range(start, start + rows)]
        file = SourceFile("a.parquet", 1, "1", (count * rows,), 0, ())
        chunk = Chunk(number, 0, start, start + rows, start, f"key {number}")
        yield ChunkRows(file, chunk, ids, pa.table({"id": ids}), (make(row) for row in range(start, start + rows)))


def decode(payload: Payload) -> Pixels:
    """An image of one grey: the number that is its bytes."""
    assert isinstance(payload, bytes)
    if payload == b"bad":
        raise ImageError("is bad")
    if payload == b"away":
        raise ImageUnavailableError("is away")
    return np.full((8, DIMS, 3), int(payload), np.uint8)


def pipeline(write: Written, encoder: TinyEncoder | None = None, **given: Any) -> Pipeline:
    given = {"decode": decode, "rows_per_block": 32, "vector": "embedding", **given}
    return Pipeline(encoder or letters(SPEC), write=write, **given)


def test_an_error_that_nobody_foresaw_is_one_bad_image_and_a_changed_source_ends_the_run() -> None:
    def odd(payload: Payload) -> Pixels:
        if payload == b"3":
            raise UnicodeError("label too long")
        if payload == b"7":
            raise SourceChangedError("a.png", "1 byte", "2 bytes")
        return decode(payload)

    written = Written()
    list(pipeline(written, stripes(SPEC), decode=odd).run(chunks(1, 6, lambda row: str(row).encode())))
    assert [(letter.row, letter.error, letter.reason) for letter in written.letters] == [
        (3, "bad_image", "UnicodeError: label too long")
    ]
    assert len(written.ids) == 5
    with pytest.raises(SourceChangedError):
        list(pipeline(Written(), stripes(SPEC), decode=odd).run(chunks(1, 9, lambda row: str(row).encode())))


def test_texts_come_out_in_their_order_whatever_the_blocks() -> None:
    found = []
    for block in (1, 7, 1_024):
        written = Written()
        records = list(pipeline(written, rows_per_block=block).run(chunks(5, 30, lambda row: f"text {row}")))
        assert [record.key for record, _ in records] == [f"key {number}" for number in range(5)]
        assert {record.rows_written for record, _ in records} == {30}
        assert written.ids == [f"row {row}" for row in range(150)]
        assert all({"read", "encode", "write", "wait"} <= set(seconds) for _, seconds in records)
        found.append(written.vectors)
    assert np.array_equal(found[0], letters(SPEC).encode([f"text {row}" for row in range(150)]))
    assert all(np.array_equal(found[0], other) for other in found)


def test_images_are_decoded_by_threads_and_bad_ones_are_dead_letters() -> None:
    def image(row: int) -> Input:
        return {3: b"bad", 20: b"away", 21: ("null_image", "the image is null")}.get(row, str(row).encode())

    written, threads = Written(), set()

    def noted(payload: Payload) -> Pixels:
        threads.add(threading.current_thread().name)
        time.sleep(0.001)
        return decode(payload)

    made = pipeline(written, stripes(SPEC), decode=noted, threads=3, rows_per_block=8).run(chunks(2, 25, image))
    records = [record for record, _ in made]
    good = [row for row in range(50) if row not in (3, 20, 21)]
    assert written.ids == [f"row {row}" for row in good]
    assert np.array_equal(written.vectors, np.repeat(np.float32(good)[:, None], DIMS, axis=1))
    assert [(letter.row, letter.id, letter.error) for letter in written.letters] == [
        (3, "row 3", "bad_image"),
        (20, "row 20", "image_unavailable"),
        (21, "row 21", "null_image"),
    ]
    assert [(record.rows_read, record.rows_written, record.retryable) for record in records] == [
        (25, 22, 1),
        (25, 25, 0),
    ]
    assert len(threads) == 3
    assert all(name.startswith("decode") for name in threads)


def test_no_secret_of_a_place_is_written() -> None:
    def away(payload: Payload) -> Pixels:
        raise ImageUnavailableError("https://me:pass@host/a.png?sig=1: the server answered with status 404")

    written = Written()
    rows = next(chunks(1, 1, lambda _: b"1"))
    rows.file = replace(rows.file, url="https://me:pass@host/a.parquet?sig=1")
    ((record, _),) = pipeline(written, stripes(SPEC), decode=away).run(iter([rows]))
    (letter,) = written.letters
    assert (record.source, letter.source) == ("https://host/a.parquet", "https://host/a.parquet")
    assert letter.reason == "https://host/a.png: the server answered with status 404"


def test_a_chunk_without_a_good_row_is_written_too() -> None:
    written = Written()
    ((record, _),) = pipeline(written, stripes(SPEC)).run(chunks(1, 40, lambda _: b"bad"))
    assert (record.rows_written, record.dead_lettered) == (0, 40)
    assert written.tables[0].schema.field("embedding").type == pa.list_(pa.float32(), DIMS)


def test_what_is_ahead_of_the_encoder_is_bounded() -> None:
    decoded, encoded, most = [], [], 0
    gate = threading.Semaphore(0)

    class Gated(TinyEncoder):
        def encode(self, batch: Any) -> Any:
            nonlocal most
            gate.acquire(timeout=0.05)  # Long enough for the others to run as far ahead as they may.
            most = max(most, len(decoded) - len(encoded))
            encoded.extend(range(len(batch)))
            return super().encode(batch)

    def counted(payload: Payload) -> Pixels:
        decoded.append(payload)
        return decode(payload)

    encoder = Gated("gated", SPEC, frozenset({"image"}))
    made = pipeline(Written(), encoder, decode=counted, rows_per_block=4).run(chunks(10, 16, lambda _: b"1"))
    assert len(list(made)) == 10
    assert len(decoded) == 160
    assert 4 < most <= 16, "the block that is encoded, one that waits, one that is handed over, one that is begun"


def test_fewer_images_are_a_block_where_they_have_more_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []

    class Noting(TinyEncoder):
        def encode(self, batch: Any) -> Any:
            blocks.append(len(batch))
            return super().encode(batch)

    noting = Noting("noting", SPEC, frozenset({"image", "text"}))
    for fit, expected in ((5, [5, 5]), (2.9, [2, 2, 2, 2, 2]), (0.5, [1] * 10)):
        blocks.clear()
        monkeypatch.setattr("lsh_core.features.pipeline.PIXEL_BYTES", int(fit * 8 * DIMS * 3))
        assert len(list(pipeline(Written(), noting).run(chunks(1, 10, lambda _: b"1")))) == 1
        assert blocks == expected
    blocks.clear()
    list(pipeline(Written(), noting).run(chunks(1, 10, str)))
    assert blocks == [10], "texts have no pixels"


@pytest.mark.parametrize("where", ["reading", "rows", "encoder", "writing", "stopping"])
def test_what_fails_anywhere_ends_the_work_and_leaves_no_thread(where: str) -> None:
    def failing() -> Iterator[ChunkRows]:
        yield from chunks(1, 30, lambda row: f"text {row}")
        if where == "reading":
            raise SourceError("a.parquet", "breaks off")
        yield from chunks(3, 30, fail if where == "rows" else str)

    def fail(*_: Any) -> Any:
        raise SourceError("a.parquet", "breaks off")

    written = Written()
    encoder = letters(SPEC)
    if where == "encoder":
        encoder.encode = fail  # type: ignore[method-assign]
    made = Pipeline(
        encoder,
        decode,
        fail if where == "writing" else written,
        vector="embedding",
        rows_per_block=10,
        stopping=fail if where == "stopping" else lambda: None,
    )
    before = threading.active_count()
    with pytest.raises(SourceError, match="breaks off"):
        list(made.run(failing()))
    assert threading.active_count() == before


def test_nobody_has_to_take_all_of_it() -> None:
    before = threading.active_count()
    made = pipeline(Written(), rows_per_block=5).run(chunks(100, 30, lambda row: f"text {row}"))
    assert next(made)[0].key == "key 0"
    made.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
