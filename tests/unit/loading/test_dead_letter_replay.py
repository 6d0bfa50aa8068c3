"""Corrected rows become the documents that a load of good rows writes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.elastic.node_pool import NodePool
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.chunk_loader import ChunkLoader, LoadPlan
from lsh_core.loading.dead_letter_replay import Corrected, CorrectionLoader
from lsh_core.models.contract import RowCodes
from lsh_core.sources.chunks import plan_chunks
from lsh_core.sources.dataset import open_dataset
from lsh_core.sources.dead_letter import DeadLetter
from tests.fakes.bulk_cluster import FakeCluster
from tests.fakes.vector_fields import list_field

ROWS = 40
BAD = [3, 4, 17, 39]


class FirstNumberModel:
    """A model that puts each row into the list of its first number."""

    def encode(self, vectors: np.ndarray, near: int = 0) -> RowCodes:
        codes = vectors[:, :1].astype(np.int64)
        return RowCodes(codes, codes)


def rows(bad: list[int]) -> pa.Table:
    vectors = [None if row in bad else [float(row), 1.0, 2.0] for row in range(ROWS)]
    ids = [f"r{row}" for row in range(ROWS)]
    return pa.table({"id": ids, "v": pa.array(vectors, pa.list_(pa.float32())), "n": range(ROWS)})


def load(folder: Path, table: pa.Table, plan: LoadPlan, cluster: FakeCluster) -> list[DeadLetter]:
    """Load `table` as a file in `folder`; return its dead letters."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "rows.parquet")
    (file,) = open_dataset(str(folder)).files
    dead_letters: list[DeadLetter] = []
    loader = ChunkLoader(plan, FirstNumberModel(), sender(cluster), lambda *record: dead_letters.extend(record[3]))  # type: ignore[arg-type]
    list(loader.load(file, plan_chunks([file], chunk_rows=10)))
    return dead_letters


def correct(
    plan: LoadPlan, cluster: FakeCluster, dead_letters: list[DeadLetter], changed: frozenset[str] = frozenset()
) -> tuple[Corrected, list[int]]:
    """Load good rows in the place of the refused ones; return what became of them, and the row numbers entered."""
    by_id = defaultdict(list)
    for dead_letter in dead_letters:
        by_id[str(dead_letter.id)].append(dead_letter)
    entered: list[int] = []
    loader = CorrectionLoader(
        plan,
        "v",
        FirstNumberModel(),  # type: ignore[arg-type]
        sender(cluster),
        lambda chunk, row_numbers, hashes: entered.extend(row_numbers.tolist()),
        changed.intersection,
    )
    return loader.load(rows([]).take(pa.array(BAD)), by_id), entered


def sender(cluster: FakeCluster) -> BulkSender:
    ring = NodePool(cluster.nodes, clock=cluster.clock)
    return BulkSender(cluster, ring, "idx", 10**9, sleep=cluster.clock.sleep, clock=cluster.clock)


@pytest.mark.parametrize("fields", [{}, {"n": {"type": "long"}}])
@pytest.mark.parametrize("folder", ["plain", "day=1/kind=a%2Fb"])
def test_a_corrected_row_becomes_the_document_of_a_good_one(
    tmp_path: Path, fields: dict[str, dict[str, Any]], folder: str
) -> None:
    plan = LoadPlan("b1", "id", list_field(lookup_lists=1), fields, ("http://a",), 10_000, posting_threads=1)
    good, mended = FakeCluster(1), FakeCluster(1)
    assert not load(tmp_path / folder, rows([]), plan, good)
    dead_letters = load(tmp_path / folder, rows(BAD), plan, mended)
    assert [dead_letter.row for dead_letter in dead_letters] == BAD

    corrected, entered = correct(plan, mended, dead_letters)

    assert (corrected.replayed, corrected.refused) == (len(BAD), 0)
    assert sorted(entered) == BAD
    assert mended.documents == good.documents
    partitions = {document.source["airlsh"].get("partition") for document in mended.documents.values()}
    assert partitions == {None if folder == "plain" else folder}


def test_a_row_whose_id_was_changed_live_is_accounted_for_and_not_sent(tmp_path: Path) -> None:
    plan = LoadPlan("b1", "id", list_field(lookup_lists=1), {}, ("http://a",), 10_000, posting_threads=1)
    cluster = FakeCluster(1)
    dead_letters = load(tmp_path, rows(BAD), plan, cluster)
    before = set(cluster.documents)
    corrected, entered = correct(plan, cluster, dead_letters, changed=frozenset({"r4", "r17"}))
    assert (corrected.replayed, corrected.refused, sorted(entered)) == (len(BAD), 0, BAD)
    assert set(cluster.documents) - before == {"r3", "r39"}
