"""Live changes on a real node: at once in the live build, for ever in every later one, whoever else is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.builds.names import live_write_alias, replay_alias
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import ALIAS, Caller, hold
from lsh_core.errors import NotFoundError, SourceError, UnavailableError, VerificationError
from lsh_core.jobs.changes import delete, upsert
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.live.journal import Change, Journal
from lsh_core.live.live_fence import fence_live
from lsh_core.live.live_writer import LiveWriter
from lsh_core.live.replay import changed_hashes, replay_changes
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import (
    DeleteSettings,
    IndexSettings,
    TrainSettings,
    UpsertSettings,
)
from lsh_core.sources.row_ipc import pack_row
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 2_000, 16


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


Build = Callable[..., str]


@pytest.fixture
def built(services: Services, tmp_path: Path) -> Build:
    """Index the rows under a name, and let live changes into what is live; return the index."""
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(ROWS)], clustered(ROWS, DIMS))

    def build(name: str, *, seed: int = 0, promote: bool = True) -> str:
        train(TrainSettings(name=name, source=source, metric="l2", seed=seed), services)
        report = run_index(IndexSettings(name=name, source=source, promote=promote, recall_queries=40), services)
        return str(report.index)

    return build


def row(identity: str, vector: npt.NDArray[np.float32], **others: Any) -> dict[str, Any]:
    return {"id": identity, "embedding": vector.tolist(), **others}


def versions(services: Services, index: str, ids: list[str]) -> dict[str, int | None]:
    answer = services.connection.client().mget(index=index, ids=ids, source=False)["docs"]
    return {each["_id"]: each.get("_version") for each in answer}


def test_changes_are_found_at_once_and_survive_a_reindex_with_another_model(
    services: Services, built: Build, tmp_path: Path
) -> None:
    first = built("fresh")
    index = VectorIndex("fresh", services.connection)
    added = clustered(3, DIMS, seed=9) + 40
    index.upsert([row("new", added[0]), row("r7", added[1]), row("new", added[2])], refresh=True)
    index.delete(["r8", "never-there"], refresh=True)

    assert index.search(added[2], k=1).ids == ["new"]
    assert index.search(added[1], k=1).ids == ["r7"]
    old = clustered(ROWS, DIMS)
    assert "r8" not in index.search(old[8], k=3).ids

    second = built("fresh", seed=5, promote=False)
    replayed = replay_changes(services.cluster, "fresh", second)

    assert replayed.changes == 4
    assert len(changed_hashes(services.cluster, "fresh", up_to=replayed.position)) == 4
    assert versions(services, second, ["new", "r7", "r8"]) == versions(services, first, ["new", "r7", "r8"])
    services.connection.client().indices.refresh(index=second)
    later = VectorIndex("fresh", services.connection, index=second)
    assert later.build.field.fingerprint != index.build.field.fingerprint
    assert later.search(added[2], k=1).ids == ["new"]
    assert "r8" not in later.search(old[8], k=3).ids
    # Nothing is left to do, and the way in is closed again.
    assert replay_changes(services.cluster, "fresh", second, after=replayed.position).changes == 0
    aliases = services.connection.client().indices.get_alias(index=second)[second]["aliases"]
    assert replay_alias(second) not in aliases


def test_columns_with_dots_and_objects_keep_their_values(services: Services, tmp_path: Path) -> None:
    rows = [{"a.b": f"old {each}", "of": {"name": "old"}} for each in range(ROWS)]
    columns = {"a.b": [each["a.b"] for each in rows], "of": [each["of"] for each in rows]}
    ids = [f"r{each}" for each in range(ROWS)]
    source = write_source(tmp_path / "rows.parquet", ids, clustered(ROWS, DIMS), **columns)
    train(TrainSettings(name="dotted", source=source, metric="l2"), services)
    settings = IndexSettings(name="dotted", source=source, recall_queries=40)
    run_index(settings, services)
    index = VectorIndex("dotted", services.connection)
    changed = row("r3", clustered(1, DIMS)[0], **{"a.b": "new", "of": {"name": "newer"}})
    assert index.upsert([changed], refresh=True).ignored == ()
    for path, value in (("a.b", "new"), ("of.name", "newer")):
        assert index.search(clustered(1, DIMS)[0], k=ROWS, filter={"term": {path: value}}).ids == ["r3"]
    run_index(settings, services)
    later = VectorIndex("dotted", services.connection)
    for path, value in (("a.b", "new"), ("of.name", "newer")):
        assert later.search(clustered(1, DIMS)[0], k=ROWS, filter={"term": {path: value}}).ids == ["r3"]


def test_upsert_and_delete_read_parquet_files(services: Services, built: Build, tmp_path: Path) -> None:
    built("files")
    vectors = clustered(50, DIMS, seed=3) + 60
    folder = tmp_path / "live" / "day=7"
    folder.mkdir(parents=True)
    write_source(folder / "a.parquet", [f"n{each}" for each in range(50)], vectors, row_group=20)
    result = upsert(UpsertSettings(name="files", source=str(tmp_path / "live"), refresh=True), services)
    assert (result.upserted, result.ignored_columns) == (50, ["day"])
    client = services.connection.client()
    held = client.count(index="files", query={"term": {"airlsh.partition": "day=7"}})["count"]
    assert held == 50

    ids = tmp_path / "ids.parquet"
    write_source(ids, [f"n{each}" for each in range(20)], vectors[:20])
    assert delete(DeleteSettings(name="files", ids_from=str(ids), refresh=True), services).deleted == 20
    assert delete(DeleteSettings(name="files", ids=("n20", "n21"), refresh=True), services).deleted == 2
    assert client.count(index="files")["count"] == ROWS + 28

    vectors[1, 3] = np.nan
    bad = write_source(tmp_path / "bad.parquet", ["fine", "broken"], vectors[:2])
    journal = Journal(services.cluster, "files")
    before = journal.barrier()
    with pytest.raises(SourceError, match=r"bad\.parquet: row 1: nan: .*number 3"):
        upsert(UpsertSettings(name="files", source=bad), services)
    assert not journal.has_any(after=before)
    with pytest.raises(NotFoundError, match="no live index 'nobody'"):
        delete(DeleteSettings(name="nobody", ids=("a",)), services)


def test_what_the_mapping_refuses_is_said_and_leaves_no_trace_in_the_journal(
    services: Services, tmp_path: Path
) -> None:
    vectors = clustered(200, DIMS)
    others = {"amount": [1] * 200, "day": pa.array([0] * 200, pa.date32())}
    source = write_source(tmp_path / "n.parquet", [f"r{each}" for each in range(200)], vectors, **others)
    train(TrainSettings(name="typed", source=source, metric="l2"), services)
    run_index(IndexSettings(name="typed", source=source), services)
    index = VectorIndex("typed", services.connection)
    index.upsert([row("a", vectors[0], amount=1, day="2024-01-01")])
    with pytest.raises(SourceError, match=r"id 'b': .*day.*1 of 2 rows were refused"):
        index.upsert([row("b", vectors[1], day="no day"), row("c", vectors[1], amount=2.0, day="2024-01-02")])
    with pytest.raises(SourceError, match=r"row 1: column 'amount' holds 1.5, which int64 .*; nothing of it written"):
        index.upsert([row("d", vectors[1], amount=2.0), row("e", vectors[1], amount=1.5)])
    fresh = run_index(IndexSettings(name="typed", source=source, promote=False), services)
    replayed = replay_changes(services.cluster, "typed", fresh.index)
    held = versions(services, fresh.index, ["a", "b", "c", "d", "e"])
    assert [identity for identity, version in held.items() if version is not None] == ["a", "c"]
    assert replayed.changes == 2


def test_an_older_write_never_undoes_a_newer_delete(services: Services, built: Build) -> None:
    index = built("order")
    journal, writer = Journal(services.cluster, "order"), LiveWriter(services.cluster, "order")
    writer.upsert([row("a", clustered(1, DIMS)[0])])
    page = next(journal.read(after=-1, up_to=journal.barrier()))
    writer.delete(["a"])
    writer.apply(page)
    replay_changes(services.cluster, "order", index)
    assert versions(services, index, ["a"]) == {"a": None}

    again = [Change("x", "delete", key="once")]
    assert journal.append(again) == journal.append(again)
    assert [entry.id for page in journal.read(after=-1, up_to=journal.barrier()) for entry in page].count("x") == 1


def test_a_closed_way_in_is_waited_for_and_no_index_is_made_in_its_place(services: Services, built: Build) -> None:
    index = built("closed")
    client, alias = services.connection.client(), live_write_alias(index)
    client.indices.update_aliases(actions=[{"remove": {"index": index, "alias": alias}}])
    for call in (
        lambda writer: writer.delete(["r1"]),
        lambda writer: writer.upsert([row("q", clustered(1, DIMS)[0])]),
    ):
        with pytest.raises(UnavailableError, match="live build of closed"):
            call(LiveWriter(services.cluster, "closed", wait_seconds=0.2))
    assert not client.indices.exists(index=alias.lower())
    written: list[Any] = []
    waiting = threading.Thread(target=lambda: written.append(LiveWriter(services.cluster, "closed").delete(["r2"])))
    waiting.start()
    client.indices.update_aliases(actions=[{"add": {"index": index, "alias": alias, "is_hidden": True}}])
    waiting.join()
    assert written[0].changed == 1
    assert versions(services, index, ["r2"]) == {"r2": None}
    # What was journalled while the way was closed is in the journal, and replay brings it.
    replay_changes(services.cluster, "closed", index)
    assert versions(services, index, ["r1"]) == {"r1": None}


def test_a_build_that_is_closed_is_waited_for_and_its_changes_stay(services: Services, built: Build) -> None:
    index = built("shut")
    client, journal = services.connection.client(), Journal(services.cluster, "shut")
    new = {"id": "new", "embedding": clustered(1, DIMS)[0], "title": "added"}
    client.indices.close(index=index)
    with pytest.raises(UnavailableError, match="index_closed_exception"):
        LiveWriter(services.cluster, "shut", wait_seconds=0.2).upsert([row("r1", clustered(1, DIMS)[0]), new])
    client.indices.open(index=index)
    (page,) = journal.read(after=-1, up_to=journal.barrier())
    LiveWriter(services.cluster, "shut").apply(page)
    assert None not in versions(services, index, ["r1", "new"]).values()


def test_texts_of_every_kind_are_written_live(services: Services, built: Build, tmp_path: Path) -> None:
    index = built("texts")
    vectors = pa.array(list(clustered(2, DIMS)), pa.list_(pa.float32()))
    for number, kind in enumerate((pa.string_view(), pa.dictionary(pa.int32(), pa.string()))):
        ids = pa.array([f"{number}-{each}" for each in range(2)]).cast(kind)
        table = pa.table({"id": ids, "embedding": vectors, "title": pa.array(["a", None], pa.string_view())})
        assert VectorIndex("texts", services.connection).upsert(table).changed == 2
        pq.write_table(table.slice(0, 1), tmp_path / "one.parquet")
        assert upsert(UpsertSettings(name="texts", source=str(tmp_path / "one.parquet")), services).upserted == 1
    assert None not in versions(services, index, ["0-0", "0-1", "1-0", "1-1"]).values()


def test_a_fence_whose_promotion_died_is_opened_by_a_writer_that_waits(services: Services, built: Build) -> None:
    index = built("deserted")
    client = services.connection.client()
    with hold(services.cluster, "deserted", ALIAS, Caller("dead", "a promotion that dies")) as lease:
        assert fence_live(services.cluster, "deserted", index, lease.epoch)
    assert LiveWriter(services.cluster, "deserted").delete(["r1"]).changed == 1
    assert versions(services, index, ["r1"]) == {"r1": None}
    assert client.indices.exists_alias(index=index, name=live_write_alias(index))


def test_a_build_that_does_not_take_a_change_is_not_to_be_published(services: Services, built: Build) -> None:
    index = built("proof")
    LiveWriter(services.cluster, "proof").upsert([row("a", clustered(1, DIMS)[0])])
    journal = Journal(services.cluster, "proof")
    entry = next(journal.read(after=-1, up_to=journal.barrier()))[0]
    short = pa.table({"airlsh.id": ["short"], "airlsh.vector": [[1.0, 2.0]]})
    journal.append([Change("short", "upsert", pack_row(short, 0))])
    with pytest.raises(VerificationError, match=r"change of 'short' \(the vector has 2 numbers, 16 are wanted\)"):
        replay_changes(services.cluster, "proof", index)
    journal.append([Change("short", "delete")])
    assert replay_changes(services.cluster, "proof", index, after=entry.position).changes == 2
    assert live_index(services.cluster, "proof") == index
