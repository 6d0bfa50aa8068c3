"""Whatever the cluster does: a row is in the index or refused, once, and nothing else is."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsh_core.elastic.bulk_requests import request_sizes
from lsh_core.elastic.node_pool import NodePool
from lsh_core.errors import AccessError, LoadError, UnavailableError
from lsh_core.loading.bulk_sender import BulkSender, SendReport
from lsh_core.loading.chunk_loader import ChunkLoader, LoadPlan
from lsh_core.loading.expected_contents import expected_contents
from lsh_core.loading.ledger import LedgerEntry
from lsh_core.models.contract import RowCodes
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.source_file import Chunk, SourceFile
from tests.fakes.bulk_cluster import (
    BLOCKED,
    NO_ALIAS,
    NO_PERMISSION,
    NO_PRIMARY,
    NODE_LEFT,
    TOO_BUSY,
    UNDER_PRESSURE,
    DiskFull,
    FakeClock,
    FakeCluster,
    Fault,
    ItemsFail,
    NoAnswer,
    NodeDies,
    PrimaryAway,
    RequestFails,
    Row,
    Slow,
    bulk_row,
)
from tests.fakes.vector_fields import list_field

LONG = 10**9
TOO_LONG_ID = "x" * 513

masks = st.integers(1, 0xFFFF)
item_faults = st.builds(
    ItemsFail,
    status=st.sampled_from([429, 502, 503, 504]),
    error=st.sampled_from(["es_rejected_execution_exception", "node_not_connected_exception", "timeout_exception"]),
    mask=masks,
)
no_primary = st.builds(ItemsFail, st.just(NO_PRIMARY.status), st.just(NO_PRIMARY.error), masks)
blocked = st.builds(ItemsFail, st.just(BLOCKED.status), st.just(BLOCKED.error), masks)
seconds = st.floats(0.1, 200)
passing_faults: st.SearchStrategy[Fault | None] = st.one_of(
    st.none(),
    item_faults,
    no_primary,
    blocked,
    st.builds(
        RequestFails,
        st.sampled_from([408, 429, 500, 502, 503, 504]),
        st.sampled_from([None, "es_rejected_execution_exception", "cluster_block_exception"]),
    ),
    st.builds(NoAnswer, st.booleans()),
    st.builds(NodeDies, seconds, st.booleans()),
    st.builds(Slow, seconds),
    st.builds(PrimaryAway, seconds),
    st.builds(DiskFull, seconds),
)
scripts = st.lists(passing_faults, max_size=12)


@dataclass(frozen=True)
class Sent:
    """One row of a test: its id, what is in it, and whether the server will have it."""

    id: str
    size: int
    fate: str

    def line(self, place: int) -> bytes:
        return bulk_row(self.id, place, fate=self.fate, text="t" * self.size)


rows = st.lists(
    st.builds(
        Sent,
        id=st.one_of(st.sampled_from("abcdefgh"), st.uuids().map(str), st.sampled_from(['"', "\n", "é😀"])),
        size=st.integers(0, 60),
        fate=st.sampled_from(["good", "good", "good", "good", "refused", "spoils"]),
    ),
    min_size=1,
    max_size=40,
)


def refuses(row: Row) -> bool:
    return row.source["fate"] == "refused"


def spoils(row: Row) -> bool:
    return row.source["fate"] == "spoils"


def make_sender(cluster: FakeCluster, *, wait_seconds: float = LONG, offset: int = 0) -> BulkSender:
    ring = NodePool(cluster.nodes, clock=cluster.clock)
    return BulkSender(cluster, ring, "idx", wait_seconds, offset, sleep=cluster.clock.sleep, clock=cluster.clock)


def send(sender: BulkSender, sent: list[Sent], home: int = 0) -> SendReport:
    # Offsets are not positions: rows before and between them were refused by validation.
    return sender.send(
        home, [3 * place + 7 for place in range(len(sent))], [row.line(place) for place, row in enumerate(sent)]
    )


def winners(sent: list[Sent], taken: set[int]) -> dict[str, int]:
    return {row.id: place for place, row in enumerate(sent) if place in taken}


@settings(max_examples=300)
@given(
    sent=rows,
    script=scripts,
    home=st.integers(0, 2),
    dead=st.sets(st.integers(0, 2), max_size=2),
    max_bytes=st.integers(80, 4000),
)
def test_every_row_is_taken_or_refused_once(
    sent: list[Sent], script: list[Fault | None], home: int, dead: set[int], max_bytes: int
) -> None:
    cluster = FakeCluster(
        3, script=script, max_bytes=max_bytes, memory_bytes=max(300, max_bytes // 2), refuses=refuses, spoils=spoils
    )
    for node in dead:
        cluster.kill(node)

    report = send(make_sender(cluster), sent, home)

    too_large = {place for place, row in enumerate(sent) if len(row.line(place)) > max_bytes}
    refused = {(refusal.offset - 7) // 3: refusal.error for refusal in report.refusals}
    assert len(refused) == len(report.refusals)
    assert set(refused) == {place for place, row in enumerate(sent) if row.fate != "good"} | too_large
    for place, error in refused.items():
        if error != "request_too_large":
            assert (
                error
                == {"refused": "document_parsing_exception", "spoils": "action_request_validation_exception"}[
                    sent[place].fate
                ]
            )
    taken = set(range(len(sent))) - set(refused)
    assert cluster.versions() == winners(sent, taken)
    for identity, document in cluster.documents.items():
        assert document.source["fate"] == "good"
        assert document.source["text"] == "t" * sent[document.version].size
        assert sent[document.version].id == identity
    assert sum(tally.rows for tally in report.nodes.values()) == len(taken)
    assert not any(report.nodes[node].rows for node in dead)


@settings(max_examples=150)
@given(sent=rows, script=scripts, at=st.integers(0, 6), last=st.sampled_from([NO_PERMISSION, NO_ALIAS]))
def test_a_run_that_may_not_write_ends_and_lies_about_no_row(
    sent: list[Sent], script: list[Fault | None], at: int, last: ItemsFail
) -> None:
    cluster = FakeCluster(3, script=[*script[:at], *([last] * 1000)], refuses=refuses)

    try:
        report = send(make_sender(cluster), sent)
    except (AccessError, LoadError) as error:
        reason, report = error.reason, None
    if report is None:
        assert "said the fake" in reason
        return
    assert len(cluster.documents) == len({row.id for row in sent if row.fate != "refused"})
    assert len(report.refusals) == sum(row.fate == "refused" for row in sent)


@given(
    forever=st.sampled_from(
        [
            TOO_BUSY,
            NODE_LEFT,
            NO_PRIMARY,
            BLOCKED,
            UNDER_PRESSURE,
            RequestFails(503, None),
            NoAnswer(executed=False),
            NoAnswer(executed=True),
            NodeDies(seconds=5),
        ]
    ),
    sent=rows,
    wait_seconds=st.floats(1, 500),
)
def test_trouble_without_end_is_given_up_in_time(forever: Fault, sent: list[Sent], wait_seconds: float) -> None:
    cluster = FakeCluster(3, script=[forever] * 100_000, spoils=lambda row: False)
    started = cluster.clock()

    with pytest.raises(UnavailableError) as raised:
        send(make_sender(cluster, wait_seconds=wait_seconds), sent)

    assert raised.value.waited_seconds == wait_seconds
    assert raised.value.last != "no node was asked"
    assert cluster.clock() - started < wait_seconds + 20  # One pause more than asked for, at most.


@given(sent=rows.filter(lambda sent: len(sent) > 1), stuck=st.sampled_from([TOO_BUSY, NO_PRIMARY, BLOCKED]))
def test_rows_that_went_through_do_not_keep_the_others_waiting_for_ever(sent: list[Sent], stuck: ItemsFail) -> None:
    first = ItemsFail(stuck.status, stuck.error, mask=0xFFFE)  # The row at the head is taken, the others are not.
    cluster = FakeCluster(1, script=[first, *[stuck] * 100_000])

    with pytest.raises(UnavailableError):
        send(make_sender(cluster, wait_seconds=60), sent)


@given(sizes=st.lists(st.integers(1, 50), max_size=40), limit=st.integers(1, 100), last=st.booleans())
def test_request_sizes_fill_requests_and_lose_no_row(sizes: list[int], limit: int, last: bool) -> None:
    lines = [b"x" * size for size in sizes]

    found = list(request_sizes(lines, limit, last=last))

    starts = np.cumsum([0, *found]).tolist()
    requests = [sizes[start:stop] for start, stop in pairwise(starts)]
    assert all(request and (sum(request) <= limit or len(request) == 1) for request in requests)
    left = sizes[starts[-1] :]
    if last:
        assert not left
    else:  # What is left does not fill a request.
        assert sum(left) <= limit or len(left) == 1
    for request, following in pairwise([*requests, left]):
        if following:
            assert sum(request) + following[0] > limit  # No request could have taken one row more.


class OneModel:
    """A model whose tokens tell which row they are of."""

    def encode(self, vectors: np.ndarray, near: int = 0) -> RowCodes:
        primary = vectors[:, 0].astype(np.int64) % 100
        return RowCodes(primary[:, np.newaxis], np.repeat(primary[:, np.newaxis], near, axis=1))


FIELD = list_field(dims=2, metric="cosine", similarity="cosine", token_width=2, lookup_lists=3)


@dataclass
class Load:
    """One load of a source over a fake cluster, as a worker does it."""

    cluster: FakeCluster
    request_bytes: int = 600
    threads: int = 2
    offset: int = 0
    wait_seconds: float = LONG
    patience_seconds: float = 1.0

    def __post_init__(self) -> None:
        self.entries: dict[int, LedgerEntry] = {}
        self.dead_letters: list[DeadLetter] = []
        self.problems: list[str] = []

    def record(self, file: SourceFile, chunk: Chunk, entry: LedgerEntry, dead_letters: list[DeadLetter]) -> None:
        """Look, at the moment of the entry, whether the index has every row that it speaks of."""
        if chunk.number in self.entries:
            self.problems.append(f"chunk {chunk.number} is recorded twice")
        held = Counter(document.source["airlsh"]["chunk"] for document in self.cluster.snapshot().values())
        if held[chunk.number] > len(entry.offsets):
            self.problems.append(f"chunk {chunk.number} holds rows that its entry does not know")
        versions = self.cluster.versions()
        ids = pq.read_table(file.url, columns=["id"]).column("id").to_pylist()
        for offset in entry.offsets.tolist():
            if versions.get(ids[chunk.start + offset], -1) < chunk.first_row_number + offset:
                self.problems.append(f"chunk {chunk.number} was recorded before its row {offset} was taken")
        self.entries[chunk.number] = entry
        self.dead_letters.extend(dead_letters)
        self.cluster.tell()

    def run(self, file: SourceFile, chunks: list[Chunk]) -> None:
        """Load `chunks`."""
        nodes = tuple(f"http://node{node}:9200" for node in range(self.cluster.nodes))
        fields: dict[str, dict[str, Any]] = {"fate": {"type": "keyword"}}
        plan = LoadPlan("b1", "id", FIELD, fields, nodes, self.request_bytes, self.threads)
        sender = make_sender(self.cluster, offset=self.offset, wait_seconds=self.wait_seconds)
        loader = ChunkLoader(
            plan,
            OneModel(),  # type: ignore[arg-type]
            sender,
            self.record,
            patience_seconds=self.patience_seconds,
        )
        for _ in loader.load(file, chunks):
            pass


SOURCE_ROWS = 60
FATES = ("good", "good", "good", "good", "good", "refused", "null_vector", "zero", "long_id", "null_id")


def write_source(path: Path, fates: list[str], ids: list[int]) -> SourceFile:
    """Write one Parquet file: row i has the vector [i + 1, 1], or what its fate makes of it."""
    vectors = [
        None if fate == "null_vector" else [0.0, 0.0] if fate == "zero" else [place + 1.0, 1.0]
        for place, fate in enumerate(fates)
    ]
    names = [
        None if fate == "null_id" else f"{number}{TOO_LONG_ID}" if fate == "long_id" else f"r{number}"
        for number, fate in zip(ids, fates, strict=True)
    ]
    table = pa.table({"id": names, "v": pa.array(vectors, pa.list_(pa.float32())), "fate": fates})
    pq.write_table(table, path, row_group_size=17)
    return open_dataset(str(path)).files[0]


def check_load(load: Load, file: SourceFile, chunks: list[Chunk], fates: list[str], ids: list[int]) -> None:
    """Compare the index, the entries and the dead letters with what the source says."""
    assert not load.problems
    good = [place for place, fate in enumerate(fates) if fate == "good"]
    assert load.cluster.versions() == {f"r{ids[place]}": place for place in good}
    chunk_of = {
        place: chunk.number
        for chunk in chunks
        for place in range(chunk.first_row_number, chunk.first_row_number + chunk.rows)
    }
    for document in load.cluster.documents.values():
        place = document.version
        assert document.source["airlsh"]["row"] == place
        assert document.source["airlsh"]["chunk"] == chunk_of[place]
        token = f"Abcd{(place + 1) % 100:02d}"
        assert document.source["airlsh"]["tokens"] == {"v": [token]}
        assert document.source["airlsh"]["near"] == {"v": [token] * 3}
        assert document.source["airlsh"]["list"] == {"v": (place + 1) % 100}
    assert set(load.entries) == {chunk.number for chunk in chunks}
    refused = [place for place, fate in enumerate(fates) if fate != "good"]
    assert sorted(dead_letter.row_number for dead_letter in load.dead_letters) == refused
    for dead_letter in load.dead_letters:
        kind = fates[dead_letter.row_number]
        wanted = {"refused": "document_parsing_exception", "zero": "zero_vector", "long_id": "id_too_long"}
        assert dead_letter.error == wanted.get(kind, kind)
        assert dead_letter.reason
        assert dead_letter.chunk == chunk_of[dead_letter.row_number]
        assert dead_letter.row == dead_letter.row_number  # One file: its rows are the source's.
        assert dead_letter.row_group == dead_letter.row // 17
    entries = [load.entries[chunk.number] for chunk in chunks]
    assert sum(entry.rows_read for entry in entries) == len(fates)
    assert sum(len(entry.offsets) + entry.dead_lettered for entry in entries) == len(fates)
    expected = expected_contents(entries)
    assert expected.documents == len(load.cluster.documents)
    held = Counter(document.source["airlsh"]["chunk"] for document in load.cluster.documents.values())
    assert {number: holdings.documents for number, holdings in expected.chunks.items()} == dict(held)
    taken = sum(stats.rows for entry in entries for stats in entry.nodes.values())
    assert taken == len(good)


sources = st.integers(1, SOURCE_ROWS).flatmap(
    lambda count: st.tuples(
        st.lists(st.sampled_from(FATES), min_size=count, max_size=count),
        st.lists(st.integers(0, 40), min_size=count, max_size=count),
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@settings(max_examples=60)
@given(
    source=sources,
    script=scripts,
    chunk_rows=st.integers(1, 25),
    request_bytes=st.integers(200, 3000),
    nodes=st.integers(1, 3),
    dead=st.integers(0, 2),
)
def test_a_load_balances_whatever_happens(
    folder: Path,
    source: tuple[list[str], list[int]],
    script: list[Fault | None],
    chunk_rows: int,
    request_bytes: int,
    nodes: int,
    dead: int,
) -> None:
    fates, ids = source
    file = write_source(folder / "load.parquet", fates, ids)
    chunks = plan_chunks([file], chunk_rows=chunk_rows)
    cluster = FakeCluster(nodes, script=script, refuses=refuses)
    if nodes == 3:
        cluster.kill(dead)
    load = Load(cluster, request_bytes)

    load.run(file, chunks)

    check_load(load, file, chunks, fates, ids)
    dead_name = f"http://node{dead}:9200"
    if nodes == 3:
        assert not any(
            node == dead_name and stats.requests
            for entry in load.entries.values()
            for node, stats in entry.nodes.items()
        )


@settings(max_examples=40)
@given(
    rows=st.integers(1, SOURCE_ROWS),
    chunk_rows=st.integers(1, 25),
    request_bytes=st.integers(200, 3000),
    hung=st.integers(0, 2),
    threads=st.integers(1, 3),
    timed_out=st.booleans(),
)
def test_what_a_hung_node_holds_is_all_that_waits_for_it(
    folder: Path, rows: int, chunk_rows: int, request_bytes: int, hung: int, threads: int, timed_out: bool
) -> None:
    fates, ids = ["good"] * rows, list(range(rows))
    file = write_source(folder / "hung.parquet", fates, ids)
    chunks = plan_chunks([file], chunk_rows=chunk_rows)
    cluster = FakeCluster(3)
    cluster.hang(hung)
    load = Load(cluster, request_bytes, threads, patience_seconds=0.01)
    loading = threading.Thread(target=load.run, args=(file, chunks))
    loading.start()

    each = min(threads, 2)  # Threads of one node; as many requests again may wait for them.

    def only_the_held_wait() -> bool:
        held = [chunk for chunk in chunks if chunk.number not in load.entries]
        there = cluster.snapshot()
        taken = [all(f"r{row}" in there for row in range(chunk.start, chunk.stop)) for chunk in held]
        return len(held) <= 2 * each and not any(taken)

    try:
        assert cluster.wait_until(only_the_held_wait)
        assert len(cluster.held) <= each
        assert all(request.node == hung for request in cluster.held)
    finally:
        cluster.resume(hung, timed_out=timed_out)
        loading.join()

    check_load(load, file, chunks, fates, ids)


@settings(max_examples=40)
@given(
    source=sources,
    script=scripts,
    fatal_at=st.integers(0, 8),
    chunk_rows=st.integers(1, 25),
    fatal=st.sampled_from([NO_PERMISSION, NO_ALIAS, RequestFails(401, "security_exception")]),
)
def test_a_load_that_broke_off_goes_on_from_its_ledger(
    folder: Path,
    source: tuple[list[str], list[int]],
    script: list[Fault | None],
    fatal_at: int,
    chunk_rows: int,
    fatal: Fault,
) -> None:
    fates, ids = source
    file = write_source(folder / "resumed.parquet", fates, ids)
    chunks = plan_chunks([file], chunk_rows=chunk_rows)
    cluster = FakeCluster(2, script=[*script[:fatal_at], *([fatal] * 1000)], refuses=refuses)
    load = Load(cluster, request_bytes=500)
    broke_off = False
    try:
        load.run(file, chunks)
    except (AccessError, LoadError):
        broke_off = True
    assert not load.problems
    done = set(load.entries)
    assert broke_off or len(done) == len(chunks)

    cluster.__dict__["_script"] = iter(())
    sent_before = len(cluster.requests)
    load.run(file, [chunk for chunk in chunks if chunk.number not in done])

    check_load(load, file, chunks, fates, ids)
    if len(done) == len(chunks):
        assert len(cluster.requests) == sent_before


def test_clock_of_the_fakes_moves_only_by_sleep() -> None:
    clock = FakeClock()
    before = clock()
    clock.sleep(2.5)
    assert clock() == before + 2.5
