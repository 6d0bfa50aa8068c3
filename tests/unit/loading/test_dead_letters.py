"""Dead letters as they are stored: capped, expiring, and read back whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import DEAD_LETTERS, MAPPINGS, ensure_system_index
from lsh_core.loading import dead_letters
from lsh_core.loading.dead_letters import (
    dead_letters_kept,
    expiry,
    from_document,
    read_dead_letters,
    to_document,
    write_dead_letters,
)
from lsh_core.sources.dead_letter import DeadLetter
from tests.fakes.memory_server import MemoryServer

DEAD_LETTER = DeadLetter(
    build="b1",
    source="s3://bucket/a.parquet",
    chunk=3,
    row_group=1,
    row=41_882,
    row_number=141_882,
    id="x",
    error="wrong_length",
    reason="the vector has 383 numbers, 384 are wanted",
    expires_at=expiry(30),
    row_bytes=b"\x00row\xff",
)


def test_a_letter_comes_back_and_every_field_is_mapped() -> None:
    document = to_document(replace(DEAD_LETTER, replayed_at="2030-01-01T00:00:00+00:00"))
    assert set(document) == set(MAPPINGS[DEAD_LETTERS])
    assert from_document(document) == replace(DEAD_LETTER, replayed_at="2030-01-01T00:00:00+00:00")
    assert DEAD_LETTER.key == "b1:141882"


def test_a_letter_that_an_older_version_wrote_is_read() -> None:
    older = {key: value for key, value in DEAD_LETTER.to_json().items() if key != "expires_at"}
    assert from_document(older) == replace(DEAD_LETTER, expires_at=None, row_bytes=None)


@pytest.mark.parametrize(("size", "kept"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_a_row_that_is_too_long_is_left_out(size: int, kept: bool) -> None:
    document = to_document(replace(DEAD_LETTER, row_bytes=b"x" * size))
    assert ("row_data" in document) is kept


def test_long_texts_are_cut() -> None:
    document = to_document(replace(DEAD_LETTER, id="i" * 5_000, reason="r" * 5_000))
    assert (len(document["id"]), len(document["reason"])) == (600, 1_000)


def test_what_people_are_shown_holds_no_bytes() -> None:
    assert "row_bytes" not in DEAD_LETTER.to_json()
    assert "row_bytes" not in repr(DEAD_LETTER)
    assert str(DEAD_LETTER) == f"s3://bucket/a.parquet row 41,882: wrong_length: {DEAD_LETTER.reason}"


@pytest.mark.parametrize(("chunks", "kept"), [(0, 100_000), (1, 100_000), (10, 10_000), (5_000, 20), (10**6, 20)])
def test_about_a_hundred_thousand_letters_of_a_build_are_kept(chunks: int, kept: int) -> None:
    assert dead_letters_kept(chunks) == kept


def test_a_letter_expires_after_its_days() -> None:
    left = datetime.fromisoformat(expiry(7)) - datetime.now(UTC)
    assert timedelta(days=6.99) < left <= timedelta(days=7)


@pytest.mark.parametrize(("limit", "found"), [(None, 5), (1, 1), (2, 2), (3, 3), (4, 4), (9, 5)])
def test_letters_of_a_build_are_read_page_by_page(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, found: int
) -> None:
    monkeypatch.setattr(dead_letters, "_PAGE", 2)
    cluster = Cluster(cast(Any, MemoryServer()))
    ensure_system_index(cluster, DEAD_LETTERS)
    rows = (3, 1, 4, 0, 2)
    letters = [replace(DEAD_LETTER, row_number=row, chunk=row % 2, row_bytes=None) for row in rows]
    write_dead_letters(cluster, [*letters, replace(DEAD_LETTER, build="b2"), replace(letters[0], build="b3")])
    write_dead_letters(cluster, [replace(DEAD_LETTER, row_number=9, replayed_at="2030-01-01T00:00:00+00:00")])
    assert [each.row_number for each in read_dead_letters(cluster, "b1", limit=limit)] == [0, 1, 2, 3, 4][:found]
    assert [each.row_number for each in read_dead_letters(cluster, "b1", replayed=True)] == [0, 1, 2, 3, 4, 9]
