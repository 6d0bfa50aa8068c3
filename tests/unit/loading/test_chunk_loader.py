from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.elastic.node_pool import NodePool
from lsh_core.errors import LoadError
from lsh_core.exact.near_rows import NearRows
from lsh_core.exact.row_comparison import RowComparison
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.chunk_loader import ChunkLoader, LoadPlan
from lsh_core.loading.ledger import LedgerEntry, unpacked_vector
from lsh_core.models.contract import RowCodes
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.row_ipc import unpack_row
from lsh_core.sources.source_file import Chunk, SourceFile
from tests.fakes.bulk_cluster import NO_ALIAS, FakeCluster, NoAnswer, read_rows
from tests.fakes.vector_fields import list_field

ROWS = 120
FIELD = list_field(dims=4, lookup_lists=1)


class RowNumberModel:
    """A model that puts each row into the list of its first number."""

    def encode(self, vectors: np.ndarray, near: int = 0) -> RowCodes:
        codes = vectors[:, :1].astype(np.int64)
        return RowCodes(codes, codes, beyond_norm=int((codes >= 100).sum()))


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    vectors = [[float(row), 1.0, 2.0, 3.0] for row in range(ROWS)]
    table = pa.table(
        {"id": [f"r{row}" for row in range(ROWS)], "v": pa.array(vectors, pa.list_(pa.float32())), "n": range(ROWS)}
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=50)
    return open_dataset(str(path)).files[0]


class Recorder:
    """Keeps what is recorded, in order."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []
        self.dead_letters: list[DeadLetter] = []

    def __call__(self, file: SourceFile, chunk: Chunk, entry: LedgerEntry, dead_letters: Sequence[DeadLetter]) -> None:
        assert entry.chunk == chunk.number
        self.entries.append(entry)
        self.dead_letters.extend(dead_letters)


def load(
    cluster: FakeCluster,
    file: SourceFile,
    chunks: Sequence[Chunk],
    *,
    request_bytes: int = 900,
    offset: int = 0,
    dead_letters: int = 1_000,
    fields: dict[str, dict[str, Any]] | None = None,
    comparison: RowComparison | None = None,
) -> Recorder:
    nodes = tuple(f"http://node{node}:9200" for node in range(cluster.nodes))
    fields = {"n": {"type": "long"}} if fields is None else fields
    plan = LoadPlan(
        "b1", "id", FIELD, fields, nodes, request_bytes, posting_threads=2, dead_letters_per_chunk=dead_letters
    )
    ring = NodePool(cluster.nodes, clock=cluster.clock)
    sender = BulkSender(cluster, ring, "idx", 10**9, offset, sleep=cluster.clock.sleep, clock=cluster.clock)
    recorder = Recorder()
    loader = ChunkLoader(plan, RowNumberModel(), sender, recorder, comparison=comparison)  # type: ignore[arg-type]
    yielded = list(loader.load(file, chunks))
    assert yielded == recorder.entries
    return recorder


def test_chunks_go_round_robin_to_their_home_nodes(file: SourceFile) -> None:
    cluster = FakeCluster(3)
    chunks = plan_chunks([file], chunk_rows=10)
    recorder = load(cluster, file, chunks, offset=1)
    chunk_of = {
        f"r{place}": chunk.number
        for chunk in chunks
        for place in range(chunk.first_row_number, chunk.first_row_number + chunk.rows)
    }
    for request in cluster.requests:
        assert {(chunk_of[identity] + 1) % 3 for identity in request.ids} == {request.node}
    shares = Counter(entry.node for entry in recorder.entries)
    assert len(shares) == 3
    assert max(shares.values()) - min(shares.values()) <= 1
    for entry in recorder.entries:
        assert list(entry.nodes) == [entry.node]
        assert sum(stats.rows for stats in entry.nodes.values()) == len(entry.offsets)


@pytest.mark.parametrize("request_bytes", [1, 300, 901, 5000, 10**7])
def test_requests_respect_their_size_and_the_last_partial_one_is_posted(file: SourceFile, request_bytes: int) -> None:
    cluster = FakeCluster(2)
    load(cluster, file, plan_chunks([file], chunk_rows=50), request_bytes=request_bytes)
    assert set(cluster.documents) == {f"r{row}" for row in range(ROWS)}
    sent = Counter(identity for request in cluster.requests for identity in request.ids)
    assert set(sent.values()) == {1}
    assert all(request.size <= request_bytes or len(request.ids) == 1 for request in cluster.requests)
    if request_bytes == 1:
        assert len(cluster.requests) == ROWS


def test_entries_come_in_order_with_what_verification_needs(file: SourceFile) -> None:
    chunks = plan_chunks([file], chunk_rows=30)
    recorder = load(FakeCluster(1), file, chunks)
    assert [entry.chunk for entry in recorder.entries] == [chunk.number for chunk in chunks]
    for entry, chunk in zip(recorder.entries, chunks, strict=True):
        assert entry.offsets.tolist() == list(range(chunk.rows))
        first, last = chunk.first_row_number, chunk.first_row_number + chunk.rows - 1
        assert [(sample["id"], sample["row_number"]) for sample in entry.samples] == [
            (f"r{first}", first),
            (f"r{last}", last),
        ]
        assert unpacked_vector(entry.samples[0]["vector"]).tolist() == [first, 1, 2, 3]
    assert [entry.rows_beyond_norm for entry in recorder.entries] == [0, 0, 0, 0, 20]


def test_entries_list_the_rows_that_are_near_the_queries(file: SourceFile) -> None:
    queries = np.array([[10.2, 1, 2, 3], [70.4, 1, 2, 3]], np.float32)
    cluster = FakeCluster(1, refuses=lambda row: row.version == 11)
    recorder = load(
        cluster, file, plan_chunks([file], chunk_rows=40), comparison=RowComparison(queries, 3, "l2", "these")
    )
    listed: dict[int, set[int]] = {0: set(), 1: set()}
    for entry in recorder.entries:
        assert entry.queries == "these"
        near = NearRows.from_bytes(entry.near_rows or b"")
        for query, offset in zip(near.queries.tolist(), near.offsets.tolist(), strict=True):
            listed[query].add(entry.first_row_number + offset)
    assert listed[0] >= {9, 10, 11}  # The refused row as well: the entry tells that it does not count.
    assert listed[1] >= {70, 71, 69}
    assert {entry.near_rows for entry in load(FakeCluster(1), file, plan_chunks([file], chunk_rows=40)).entries} == {
        None
    }


def test_bodies_do_not_change_under_way(file: SourceFile) -> None:
    """The first request is held until others were made and posted; what it carries must still be its own."""
    others_posted = threading.Event()
    bodies: list[bytes] = []
    held = threading.Lock()

    def before_answer(node: int, body: bytes) -> None:
        first = held.acquire(blocking=False)
        bodies.append(body)
        if first:
            assert others_posted.wait(30)
        elif len(bodies) > 3:
            others_posted.set()

    cluster = FakeCluster(1, before_answer=before_answer, script=[NoAnswer(executed=False)])
    load(cluster, file, plan_chunks([file], chunk_rows=60))
    assert set(cluster.documents) == {f"r{row}" for row in range(ROWS)}
    for identity, document in cluster.documents.items():
        assert (f"r{document.version}", document.source["n"]) == (identity, document.version)
    sent = Counter(tuple(row.id for row in read_rows(body) or ()) for body in bodies)
    assert set(sent.values()) == {1, 2}  # One request was repeated, as it was.
    assert sum(times == 2 for times in sent.values()) == 1


def test_a_failed_chunk_is_not_recorded_and_ends_the_load(file: SourceFile) -> None:
    chunks = plan_chunks([file], chunk_rows=30)
    cluster = FakeCluster(1, script=[*[None] * 8, *[NO_ALIAS] * 1000])
    recorder: list[LedgerEntry] = []
    with pytest.raises(LoadError, match="index_not_found_exception"):
        recorder += load(cluster, file, chunks).entries
    assert recorder == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("post")]


def test_a_chunk_whose_rows_are_all_refused_is_recorded_too(file: SourceFile) -> None:
    chunks = plan_chunks([file], chunk_rows=30)
    first = chunks[0].rows
    recorder = load(FakeCluster(1, refuses=lambda row: row.version < first), file, chunks)
    assert [entry.dead_lettered for entry in recorder.entries] == [first, *[0] * (len(chunks) - 1)]
    assert recorder.entries[0].samples == ()
    assert recorder.entries[0].offsets.tolist() == []
    assert [dead_letter.row_number for dead_letter in recorder.dead_letters] == list(range(first))
    assert str(recorder.dead_letters[7]).startswith(f"{file.url} row 7: document_parsing_exception: ")


def test_of_a_bad_chunk_the_first_letters_are_kept_and_all_are_counted(file: SourceFile) -> None:
    chunks = plan_chunks([file], chunk_rows=30)
    recorder = load(FakeCluster(1, refuses=lambda row: row.version % 30 > 3), file, chunks, dead_letters=5)
    entries = sorted(recorder.entries, key=lambda entry: entry.chunk)  # They end in any order.
    for entry, chunk in zip(entries, chunks, strict=True):
        first = chunk.first_row_number
        refused = [row for row in range(first, first + chunk.rows) if row % 30 > 3]
        assert entry.dead_lettered == len(refused)
        assert [
            dead_letter.row_number for dead_letter in recorder.dead_letters if dead_letter.chunk == entry.chunk
        ] == refused[:5]


def test_a_letter_holds_its_row(file: SourceFile) -> None:
    recorder = load(FakeCluster(1, refuses=lambda row: row.version == 42), file, plan_chunks([file], chunk_rows=30))
    (dead_letter,) = recorder.dead_letters
    assert dead_letter.row_bytes is not None
    assert unpack_row(dead_letter.row_bytes).to_pylist() == [{"id": "r42", "v": [42.0, 1.0, 2.0, 3.0], "n": 42}]


def test_some_chunks_of_a_file(file: SourceFile) -> None:
    cluster = FakeCluster(1)
    chunks = plan_chunks([file], chunk_rows=10)
    recorder = load(cluster, file, [chunks[2], chunks[5], chunks[-1]])
    assert [entry.chunk for entry in recorder.entries] == [2, 5, chunks[-1].number]
    wanted = {f"r{row}" for chunk in (chunks[2], chunks[5], chunks[-1]) for row in range(chunk.start, chunk.stop)}
    assert set(cluster.documents) == wanted


def test_a_refused_row_in_a_source_without_other_columns(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 1.0, 1.0, 1.0], None, [2.0, 2.0, 2.0, 2.0]], pa.list_(pa.float32()))
    path = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"id": ["a", "b", "c"], "v": vectors}), path)
    file = open_dataset(str(path)).files[0]
    cluster = FakeCluster(nodes=1)
    recorder = load(cluster, file, plan_chunks([file], chunk_rows=10), fields={})
    assert set(cluster.documents) == {"a", "c"}
    assert [dead_letter.error for dead_letter in recorder.dead_letters] == ["null_vector"]
