"""Index runs on a real node and real Dask workers: what goes in comes out, all of it, or the run fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.builds.aliases import live_index, swap
from lsh_core.builds.names import write_alias
from lsh_core.builds.records import BuildRecords
from lsh_core.builds.write_fence import read_write_fence
from lsh_core.elastic.connection import Connection
from lsh_core.errors import (
    DeadLetterLimitError,
    ModelMismatchError,
    NotFoundError,
    PromotionConflictError,
    SourceChangedError,
    VerificationError,
)
from lsh_core.jobs import index as stages
from lsh_core.jobs.builds import list_builds, promote_build, rollback
from lsh_core.jobs.dead_letters import build_dead_letters
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.models import list_models
from lsh_core.jobs.retention import retire
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, PromoteSettings, RetireSettings, RollbackSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, exact_ids, write_source

ROWS, DIMS = 6_000, 24


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture
def indexed(services: Services, tmp_path: Path) -> Callable[..., IndexReport]:
    """Train on a file (once a name) and index it."""

    def run(name: str, source: str, *, model: str = "ivf", metric: str = "l2", **options: Any) -> IndexReport:
        train(TrainSettings(name=name, source=source, metric=metric, model=model), services)
        return run_index(IndexSettings(name=name, source=source, **options), services)

    return run


def test_a_run_balances_and_its_rows_are_found(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    vectors = clustered(ROWS, DIMS)
    ids = [f'ümlaut/{row}\n"quoted" 🙂' for row in range(ROWS)]
    folder = tmp_path / "many"
    for part, (start, stop, group) in enumerate([(0, 500, 7), (500, 501, 1), (501, ROWS, 2_000)]):
        place = folder / f"day={part}"
        place.mkdir(parents=True)
        price = pa.array([None if row % 3 else row / 4 for row in range(start, stop)], pa.float64())
        write_source(place / "rows.parquet", ids[start:stop], vectors[start:stop], row_group=group, price=price)

    report = indexed("balanced", str(folder))

    assert report.promoted
    assert report.state == "verified"
    assert report.rows_read == report.accepted == report.documents == ROWS
    assert report.repeated == report.dead_lettered == report.skipped == 0
    assert sum(node.rows for node in report.nodes) == ROWS
    assert report.recall >= 0.95
    searcher = VectorIndex("balanced", services.connection)
    asked = [0, 500, 3_000, ROWS - 1]
    for row, answer in zip(asked, searcher.search_many(vectors[asked], k=10), strict=True):
        assert answer.build == report.build
        assert answer.neighbours[0].id == ids[row]
        assert len(set(answer.ids) & exact_ids(ids, vectors, vectors[row], 10)) >= 8
        assert answer.neighbours[0].fields["day"] == ("0" if row < 500 else "1" if row < 501 else "2")
        assert answer.neighbours[0].fields.get("price") == (None if row % 3 else row / 4)
    by_id = searcher.search(id=ids[3_000], k=5, filter={"term": {"day": "2"}}, fields=["price"])
    assert ids[3_000] not in by_id.ids
    assert set(by_id.ids) <= exact_ids(ids, vectors, vectors[3_000], 8)
    with pytest.raises(NotFoundError, match="has no row with the id 'nobody'"):
        searcher.search(id="nobody")


def test_tables_of_hyperplanes_are_searched_by_rescoring(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    vectors = clustered(3_000, DIMS)
    source = write_source(tmp_path / "rows.parquet", list(range(3_000)), vectors)
    report = indexed("planes", source, model="hyperplane", metric="cosine", shards=2)
    assert report.recall >= 0.9
    searcher = VectorIndex("planes", services.connection)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit[17]), kind="stable")[:10]
    answer = searcher.search(vectors[17] * 3, k=10, candidates=2_000)
    assert {int(each) for each in answer.ids} == set(nearest.tolist())
    assert answer.neighbours[0].distance == pytest.approx(0, abs=1e-6)
    assert searcher.search(id="17", k=3).neighbours[0].id == str(nearest[1])


def test_the_same_seed_gives_the_same_model(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(2_000)), clustered(2_000, DIMS), row_group=300)
    settings = TrainSettings(name="twice", source=source, metric="cosine", sample=1_500, seed=7)
    first, second = train(settings, services), train(settings, services)
    other = train(settings.model_copy(update={"seed": 8}), services)
    train(settings, services)
    assert list_models("twice", services)[0].model_id == first.model_id  # The last that was trained is the newest.
    assert first.fingerprint == second.fingerprint
    assert first.model_id == second.model_id
    assert other.fingerprint != first.fingerprint


def test_a_model_of_another_name_or_length_is_refused(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(500)), clustered(500, DIMS))
    wider = write_source(tmp_path / "wider.parquet", list(range(500)), clustered(500, DIMS + 1))
    mine = train(TrainSettings(name="mine", source=source, metric="l2"), services)
    train(TrainSettings(name="yours", source=source, metric="l2", seed=1), services)
    with pytest.raises(ModelMismatchError, match=f"a model of yours, given {mine.model_id}, trained for mine"):
        run_index(IndexSettings(name="yours", source=source, model_id=mine.model_id), services)
    with pytest.raises(ModelMismatchError, match=f"{DIMS} numbers .*{mine.model_id}.*, given .*{DIMS + 1} numbers"):
        run_index(IndexSettings(name="mine", source=wider), services)
    assert live_index(services.cluster, "yours") is None


def test_every_bad_row_is_a_dead_letter_with_its_place_and_reason(services: Services, tmp_path: Path) -> None:
    good = clustered(1_000, DIMS)
    vectors: list[list[float | None] | None] = [row.tolist() for row in good]
    ids: list[str | None] = [f"id-{row}" for row in range(1_000)]
    amounts = list(range(1_000))
    nan, infinite = list(vectors[13] or []), list(vectors[14] or [])
    nan[3], infinite[0] = float("nan"), float("-inf")
    spoiled: dict[int, tuple[list[float | None] | None, str]] = {
        12: (None, "null_vector"),
        13: (nan, "nan"),
        14: (infinite, "infinite"),
        15: (vectors[15][:-1] if vectors[15] else None, "wrong_length"),
        16: ([], "empty_vector"),
        17: ([0.0] * DIMS, "zero_vector"),
    }
    for row, (vector, _) in spoiled.items():
        vectors[row] = vector
    ids[500], ids[501] = None, "é" * 257
    amounts[502] = 2**40
    expected = {row: error for row, (_, error) in spoiled.items()}
    expected |= {500: "null_id", 501: "id_too_long", 502: "document_parsing_exception"}
    path = tmp_path / "bad.parquet"
    table = pa.table({"id": ids, "embedding": pa.array(vectors, pa.list_(pa.float32())), "amount": amounts})
    pq.write_table(table, path, row_group_size=100)
    clean = write_source(tmp_path / "clean.parquet", ids[:12], good[:12], amount=amounts[:12])
    train(TrainSettings(name="spoiled", source=clean, metric="cosine"), services)
    before = run_index(IndexSettings(name="spoiled", source=clean), services)
    settings = IndexSettings(name="spoiled", source=str(path), field_type=("amount=integer",))

    with pytest.raises(DeadLetterLimitError, match="9 rows were refused, 0 are allowed") as caught:
        run_index(settings, services)
    assert "row 12: null_vector" in str(caught.value)
    assert live_index(services.cluster, "spoiled") == before.index
    assert list_builds("spoiled", services)[0].state == "failed"

    report = run_index(settings.model_copy(update={"max_dead_letters": 9}), services)

    assert (report.rows_read, report.accepted, report.dead_lettered) == (1_000, 991, 9)
    letters = build_dead_letters("spoiled", None, services)
    assert {letter.row: letter.error for letter in letters} == expected
    assert {letter.row_group for letter in letters} == {0, 5}
    assert all(letter.source == str(path) and letter.reason for letter in letters)
    searcher = VectorIndex("spoiled", services.connection)
    kept = [row for row in range(1_000) if row not in expected]
    for row, answer in zip(kept, searcher.search_many(good[kept], k=1, fields=()), strict=True):
        assert answer.ids == [f"id-{row}"]


def test_of_a_repeated_id_the_last_row_wins(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    generator = np.random.default_rng(3)
    rows = 4_000
    ids = [f"id-{number}" for number in generator.integers(2_500, size=rows)]
    folder = tmp_path / "repeated"
    folder.mkdir()
    vectors = clustered(rows, DIMS)
    for part in range(4):
        share = slice(part * 1_000, (part + 1) * 1_000)
        write_source(folder / f"{part}.parquet", ids[share], vectors[share], place=list(range(rows))[share])
    last = {identity: row for row, identity in enumerate(ids)}

    report = indexed("repeated", str(folder), chunk_rows=97)

    assert report.documents == report.accepted == len(last)
    assert report.repeated == rows - len(last)
    client = services.connection.client()
    hits = client.search(index="repeated", size=5_000, source=["place"])["hits"]["hits"]
    assert {hit["_id"]: hit["_source"]["place"] for hit in hits} == last


def test_readers_get_full_answers_throughout_a_reindex(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    vectors = clustered(3_000, DIMS)
    source = write_source(tmp_path / "rows.parquet", list(range(3_000)), vectors)
    first = indexed("read", source)
    stopped = threading.Event()
    seen: list[tuple[str, int]] = []
    troubles: list[Exception] = []

    def read() -> None:
        searcher = VectorIndex("read", services.connection)
        row = 0
        while not stopped.is_set():
            row = (row + 1) % 3_000
            try:
                answer = searcher.search(vectors[row], k=10)
            except Exception as error:
                troubles.append(error)
                return
            seen.append((answer.build, len(answer.neighbours)))
            assert answer.neighbours[0].id == str(row)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    second = run_index(IndexSettings(name="read", source=source), services)
    client = services.connection.client()
    client.indices.delete(index=first.index)  # At once: a reader may be on its way to it.
    while not any(build == second.build for build, _ in seen[-3:]) and not troubles:
        stopped.wait(0.05)
    stopped.set()
    for reader in readers:
        reader.join()

    assert not troubles
    assert {found for _, found in seen} == {10}
    assert {build for build, _ in seen} == {first.build, second.build}


def test_a_run_goes_on_from_its_ledger_and_notices_what_is_missing(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(2_000)), clustered(2_000, DIMS))
    train(TrainSettings(name="again", source=source, metric="l2"), services)
    settings, build = IndexSettings(name="again", source=source, chunk_rows=100), "again-1"
    for stage in (stages.check, stages.plan, stages.create, stages.load):
        stage(settings, build, services)

    newer = train(TrainSettings(name="again", source=source, metric="l2", seed=1), services)
    with pytest.raises(ModelMismatchError, match=rf"build again-1: expected model again-\w+, given {newer.model_id}"):
        stages.check(settings.model_copy(update={"model_id": newer.model_id}), build, services)
    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, services)
    loaded = stages.load(settings, build, services)

    assert (loaded.rows_read, loaded.skipped) == (0, 2_000)
    finalized = stages.finalize(settings, build, services)
    assert finalized.bytes > 0
    client = services.connection.client()
    index = "airlsh-again-again-1"
    client.delete(index=index, id="777", refresh=True)
    with pytest.raises(VerificationError, match="documents: expected 2000, found 1999"):
        stages.verify(settings, build, services)
    # One row in the place of another: the number is right, the chunk is not.
    stray = {"embedding": [1.0] * DIMS, "airlsh": {"chunk": 0, "row": 5}}
    client.index(index=index, id="stray", document=stray, refresh=True)
    with pytest.raises(VerificationError, match="2 chunks"):
        stages.verify(settings, build, services)
    with pytest.raises(PromotionConflictError, match="is failed, not verified"):
        promote_build(PromoteSettings(name="again", build=build), services)
    assert live_index(services.cluster, "again") is None


def test_late_writers_are_fenced_off(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(500)), clustered(500, DIMS))
    train(TrainSettings(name="fenced", source=source, metric="l2"), services)
    report = run_index(IndexSettings(name="fenced", source=source), services)
    client = services.connection.client()
    fence = read_write_fence(services.cluster, report.index, report.build)
    assert not fence.is_open
    for epoch in range(fence.epoch + 1):
        alias = write_alias(report.build, epoch)
        answer = client.bulk(index=alias, operations=[{"index": {"_id": "late"}}, {"a": 1}], require_alias=True)
        assert answer["items"][0]["index"]["status"] == 404
        assert not client.indices.exists(index=alias)
    assert services.cluster.count(report.index) == 500


def test_a_source_that_changes_after_planning_fails_the_run(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    source = write_source(path, list(range(600)), clustered(600, DIMS))
    train(TrainSettings(name="changed", source=source, metric="l2"), services)
    settings, build = IndexSettings(name="changed", source=source), "changed-1"
    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, services)
    write_source(path, list(range(700)), clustered(700, DIMS))
    with pytest.raises(SourceChangedError, match=r"rows\.parquet: changed after the run was planned"):
        stages.load(settings, build, services)
    assert BuildRecords(services.cluster).get("changed", build).state == "failed"


def test_builds_are_promoted_rolled_back_and_retired(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(300)), clustered(300, DIMS))
    client = services.connection.client()
    builds = [indexed("moving", source) for _ in range(3)]
    waiting = run_index(IndexSettings(name="moving", source=source, promote=False), services)
    assert not waiting.promoted
    assert live_index(services.cluster, "moving") == builds[2].index

    promote_build(PromoteSettings(name="moving", build=waiting.build), services)
    back = rollback(RollbackSettings(name="moving"), services)
    assert (back.previous_index, back.live) == (waiting.index, builds[2].index)

    with pytest.raises(PromotionConflictError, match="was promoted after this run was planned"):
        swap(services.cluster, "moving", expected=builds[0].index, new=builds[1].index)
    assert list(client.indices.get_alias(name="moving")) == [builds[2].index]
    other = indexed("moving-2024", source)
    spared = retire(RetireSettings(name="moving", keep=1), services)
    assert spared.retired == []  # All were live, or made, a moment ago.
    gone = retire(RetireSettings(name="moving", keep=1, grace_seconds=0), services)
    assert set(gone.retired) == {builds[0].build, builds[1].build}
    assert not client.indices.exists(index=builds[0].index)
    assert client.indices.exists(index=other.index)
    assert [row.build for row in list_builds("moving", services)] == [waiting.build, builds[2].build]


def test_of_two_first_promotions_at_once_one_wins(
    services: Services, indexed: Callable[..., IndexReport], tmp_path: Path
) -> None:
    source = write_source(tmp_path / "rows.parquet", list(range(300)), clustered(300, DIMS))
    client = services.connection.client()
    rivals = [indexed("rivals", source, promote=False).index for _ in range(2)]

    def promote(index: str, together: threading.Barrier) -> PromotionConflictError | None:
        together.wait(10)
        try:
            swap(services.cluster, "rivals", expected=None, new=index)
        except PromotionConflictError as refused:
            return refused
        return None

    for _ in range(10):
        together = threading.Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(promote, rivals, [together, together]))
        assert sum(outcome is None for outcome in outcomes) == 1
        assert live_index(services.cluster, "rivals") == rivals[outcomes.index(None)]
        client.indices.delete_alias(index="_all", name="rivals")


def test_a_server_that_is_away_is_said_to_be_away(services: Services, tmp_path: Path) -> None:
    from lsh_core.errors import UnavailableError

    source = write_source(tmp_path / "rows.parquet", list(range(300)), clustered(300, DIMS))
    nowhere = replace(services, dask="tcp://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"Dask scheduler at tcp://127\.0\.0\.1:9"):
        train(TrainSettings(name="nowhere", source=source), nowhere)
