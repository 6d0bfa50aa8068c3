from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.loading.ledger import LedgerEntry, LedgerKey
from lsh_core.loading.node_stats import NodeStats
from lsh_core.sources.source_file import Chunk, SourceFile

FILE = SourceFile("s3://b/f.parquet", 100, "etag", (50,), 0, ())
CHUNK = Chunk(number=3, file=0, start=10, stop=20, first_row_number=10)
KEY = LedgerKey("b1", "uuid", "model", "settings")


def test_the_same_chunk_has_the_same_key() -> None:
    assert KEY.of(FILE, CHUNK) == LedgerKey("b1", "uuid", "model", "settings").of(replace(FILE), replace(CHUNK))


@pytest.mark.parametrize("change", [{"url": "s3://b/g.parquet"}, {"size": 101}, {"version": "other"}])
def test_another_file_finds_no_entry(change: dict[str, object]) -> None:
    assert KEY.of(replace(FILE, **change), CHUNK) != KEY.of(FILE, CHUNK)


@pytest.mark.parametrize("change", [{"start": 9}, {"stop": 21}, {"first_row_number": 11}, {"number": 4}])
def test_another_range_finds_no_entry(change: dict[str, int]) -> None:
    assert KEY.of(FILE, replace(CHUNK, **change)) != KEY.of(FILE, CHUNK)


@pytest.mark.parametrize("change", ["index_uuid", "model_fingerprint", "settings_fingerprint"])
def test_another_index_model_or_setting_finds_no_entry(change: str) -> None:
    assert replace(KEY, **{change: "other"}).of(FILE, CHUNK) != KEY.of(FILE, CHUNK)


def test_parts_do_not_run_into_each_other() -> None:
    one = KEY.of(replace(FILE, url="a", version="b1"), CHUNK)
    assert one != KEY.of(replace(FILE, url="a1", version="b"), CHUNK)
    assert KEY.of(FILE, replace(CHUNK, start=1, stop=12)) != KEY.of(FILE, replace(CHUNK, start=11, stop=2))


def test_an_entry_is_json() -> None:
    entry = LedgerEntry(
        chunk=1,
        source="s",
        start=5,
        stop=8,
        first_row_number=5,
        node="n",
        dead_lettered=1,
        offsets=hash_ids([])[:, 0].astype("int64"),
        id_hashes=hash_ids([]),
        samples=({"id": "a", "row_number": 6, "vector": "AACAPw=="},),
        nodes={"n": NodeStats(requests=1, rows=2, unreachable=1, away=[(1.5, 2.25)])},
        seconds={"wait": 0.5},
        rows_beyond_norm=2,
        queries="fingerprint",
        near_rows=b"near",
        corrected=np.array([1, 2]),
    )
    document = orjson.loads(orjson.dumps(entry.to_document("b", "uuid")))
    again = LedgerEntry.from_document(document)
    assert again.samples == entry.samples
    assert again.nodes == entry.nodes
    assert again.seconds == {"wait": 0.5}
    assert again.rows_read == 3
    assert again.rows_beyond_norm == 2
    assert (again.queries, again.near_rows, again.corrected.tolist()) == ("fingerprint", b"near", [1, 2])
    for field in ("rows_beyond_norm", "queries", "near_rows", "corrected"):
        del document[field]  # As earlier versions wrote it.
    earlier = LedgerEntry.from_document(document)
    assert (earlier.rows_beyond_norm, earlier.queries, earlier.near_rows, len(earlier.corrected)) == (0, "", None, 0)
