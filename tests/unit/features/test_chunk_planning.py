"""What changes a chunk, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from lsh_core.features import decoding
from lsh_core.features.chunk_planning import chunks_of_file, chunks_of_images, rows_per_chunk
from lsh_core.features.row_columns import RowColumns
from lsh_core.sources.listing import Listed
from lsh_core.sources.source_file import Chunk, SourceFile

FILE = SourceFile("/data/a.parquet", 10_000, "1", (500, 500), 0, ())
COLUMNS = RowColumns("id", "{text}", None, pa.schema({"id": pa.string()}), "embedding", "/data/", ())
PATHS = replace(COLUMNS, template=None, image="path", places=("/data/",))
IMAGES = [Listed(f"/data/{number:04d}.png", 100, "1") for number in range(2_000)]


def keys(chunks: list[Chunk]) -> set[str]:
    return {chunk.key for chunk in chunks}


def test_chunks_cover_a_file_and_have_keys_of_their_own() -> None:
    chunks = chunks_of_file(FILE, COLUMNS, "f", 300)
    assert [chunk.start for chunk in chunks] == [0, *(chunk.stop for chunk in chunks[:-1])]
    assert sum(chunk.rows for chunk in chunks) == 1_000
    assert len(keys(chunks)) == len(chunks)
    assert chunks == chunks_of_file(FILE, COLUMNS, "f", 300)
    assert keys(chunks) == keys(chunks_of_file(replace(FILE, first_row_number=77), COLUMNS, "f", 300)), (
        "a file before it"
    )


@pytest.mark.parametrize(
    ("file", "columns", "fingerprint"),
    [
        (replace(FILE, version="2"), COLUMNS, "f"),
        (replace(FILE, size=10_001), COLUMNS, "f"),
        (replace(FILE, url="/data/b.parquet"), COLUMNS, "f"),
        (FILE, replace(COLUMNS, template="{text} "), "f"),
        (FILE, replace(COLUMNS, vector="other"), "f"),
        (FILE, replace(COLUMNS, kept=pa.schema({"id": pa.int64()})), "f"),
        (FILE, replace(COLUMNS, template=None, image="text"), "f"),
        (FILE, replace(PATHS, base="/data/2024/"), "f"),
        (FILE, replace(PATHS, places=("/data/2024/",)), "f"),
        (FILE, COLUMNS, "g"),
    ],
)
def test_what_decides_the_content_decides_the_key(file: SourceFile, columns: RowColumns, fingerprint: str) -> None:
    before = keys(chunks_of_file(FILE, PATHS if columns.places else COLUMNS, "f", 300))
    assert not before & keys(chunks_of_file(file, columns, fingerprint, 300))


def test_where_a_source_lies_decides_no_more_than_it_has_to() -> None:
    moved = replace(COLUMNS, base="/")
    assert keys(chunks_of_file(FILE, COLUMNS, "f", 300)) == keys(chunks_of_file(FILE, moved, "f", 300))
    archive = replace(FILE, url="/data/a.zip")
    alone, beside, deeper = (
        keys(chunks_of_file(archive, replace(COLUMNS, template=None, base=base), "f", 300, IMAGES[:1_000]))
        for base in ("/data/a.zip", "/data/", "/")
    )
    assert not alone & beside, "the ids are 1.png, and a.zip/1.png"
    assert not beside & deeper


def test_rows_of_a_chunk_follow_from_the_file_alone() -> None:
    def rows(rows: int, size: int = 1, *, asked: int | None = None, images: bool = False) -> int:
        file = SourceFile("a", size, "1", (rows,), 0, ())
        return rows_per_chunk(file, chunk_rows=asked, chunk_bytes=2**26, images=images)

    assert [rows(each) for each in (10, 5_000, 63_666, 10**6)] == [256, 256, 1_989, 8_192]
    assert rows(10**6, images=True) == 256
    assert rows(10**6, asked=50) == 50
    assert rows(1_000, 2**30) == 62, "of a megabyte each"
    assert rows(1, 2**40) == 1


def test_an_image_that_is_added_changes_few_chunks() -> None:
    before = chunks_of_images(IMAGES, COLUMNS, "f", 100)
    assert [image for chunk in before for image in chunk.members] == IMAGES
    assert all(1 <= chunk.rows <= 100 for chunk in before)
    assert 20 <= len(before) <= 80
    for place in (0, 700, 1_999):
        added = [*IMAGES[:place], Listed(f"{IMAGES[place].url[:-4]}-new.png", 1, "1"), *IMAGES[place:]]
        after = chunks_of_images(sorted(added, key=lambda image: image.url), COLUMNS, "f", 100)
        assert len(keys(after) - keys(before)) <= 4, place
    changed = [*IMAGES[:700], replace(IMAGES[700], version="2"), *IMAGES[701:]]
    assert len(keys(chunks_of_images(changed, COLUMNS, "f", 100)) - keys(before)) == 1


def test_how_images_are_decoded_decides_chunks_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def planned() -> tuple[set[str], ...]:
        texts, paths = (chunks_of_file(FILE, columns, "f", 300) for columns in (COLUMNS, PATHS))
        images = chunks_of_images(IMAGES, replace(COLUMNS, template=None), "f", 100)
        return keys(texts), keys(paths), keys(images)

    before = planned()
    for name, value in (("_FILTERS", {"squash": "BILINEAR", "crop": "LANCZOS"}), ("VERSION", 0)):
        with monkeypatch.context() as changed:
            changed.setattr(decoding, name, value)
            texts, *others = planned()
        assert texts == before[0]
        assert not any(now & then for now, then in zip(others, before[1:], strict=True)), name
