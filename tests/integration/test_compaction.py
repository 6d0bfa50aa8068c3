"""The journal made small again on a real node: nothing that was acknowledged is lost, whoever else is at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lsh_core.builds.journal_position import BEFORE_ALL, SourceWatermark
from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ChangesGoneError, SettingsError, VerificationError
from lsh_core.jobs import index as stages
from lsh_core.jobs.builds import promote_build, rollback
from lsh_core.jobs.dead_letters import replay_dead_letters
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.live.compaction import compact_journal
from lsh_core.live.journal import Change, Entry, Journal
from lsh_core.live.live_writer import LiveWriter
from lsh_core.live.replay import replay_changes
from lsh_core.live.watermark import deletable_position, record_deleted
from lsh_core.settings import IndexSettings, PromoteSettings, ReplaySettings, RollbackSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 400, 16
IDS = [f"r{row}" for row in range(ROWS)]


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def trained(services: Services, name: str, source: str) -> str:
    return str(train(TrainSettings(name=name, source=source, metric="l2"), services).model_id)


def index(services: Services, name: str, source: str, **others: Any) -> IndexReport:
    return run_index(IndexSettings(name=name, source=source, recall_queries=40, **others), services)


def row(identity: str, vector: npt.NDArray[np.float32]) -> dict[str, Any]:
    return {"id": identity, "embedding": vector.tolist()}


def held(services: Services, where: str, ids: list[str]) -> dict[str, bool]:
    answer = services.connection.client().mget(index=where, ids=ids, source=False)["docs"]
    return {each["_id"]: bool(each["found"]) for each in answer}


def entries(services: Services, name: str) -> list[Entry]:
    journal = Journal(services.cluster, name)
    return [entry for page in journal.read(after=BEFORE_ALL, up_to=journal.barrier()) for entry in page]


def now() -> str:
    return datetime.now(UTC).isoformat()


@contextmanager
def running(stopped: threading.Event, *targets: Callable[[], None]) -> Iterator[None]:
    """Run `targets` on threads until the block ends, which sets `stopped`."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def test_compaction_beside_writers_and_replays_loses_nothing(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "rows.parquet", IDS, clustered(ROWS, DIMS))
    trained(services, "small", source)
    index(services, "small", source)
    vectors = clustered(50, DIMS, seed=4)
    model: dict[str, bool] = {}
    troubles: list[Exception] = []
    stopped = threading.Event()
    taken_out: list[int] = []

    def write(number: int) -> None:
        generator, writer = np.random.default_rng(number), LiveWriter(services.cluster, "small")
        while not stopped.is_set():
            identity = f"r{number}" if generator.random() < 0.2 else f"w{number}-{generator.integers(6)}"
            gone = bool(generator.random() < 0.4)
            try:
                if gone:
                    writer.delete([identity])
                else:
                    writer.upsert([row(identity, vectors[generator.integers(50)])])
            except Exception as error:
                troubles.append(error)
                return
            model[identity] = not gone

    def compact() -> None:
        try:
            while not stopped.is_set():
                # Long enough for a replay and the count of what it changed: elsewhere it is an hour.
                done = compact_journal(services.cluster, "small", share=0, young_seconds=5)
                taken_out.append(done.taken_out)
        except Exception as error:
            troubles.append(error)

    with running(stopped, *(partial(write, number) for number in range(4)), compact, compact):
        while sum(taken_out) <= 10 and not troubles:
            stopped.wait(0.1)
        report = index(services, "small", source)

    assert not troubles
    assert held(services, report.index, list(model)) == model
    compact_journal(services.cluster, "small", share=0, young_seconds=0)
    left = entries(services, "small")
    assert sorted(entry.id for entry in left) == sorted(model)
    assert {entry.id: entry.kind == "upsert" for entry in left} == model
    late = index(services, "small", source, promote=False)
    assert held(services, late.index, list(model)) == model


def test_what_is_young_or_of_use_stays(services: Services) -> None:
    journal = Journal(services.cluster, "young")
    changes = [Change(each, "delete") for each in "aaab"]
    journal.append([*changes, Change("a", "delete", key="own"), Change("day=1", "mark"), Change("a", "delete")])
    assert compact_journal(services.cluster, "young", share=0).taken_out == 0
    assert compact_journal(services.cluster, "young", share=0.6, young_seconds=0).taken_out == 0
    done = compact_journal(services.cluster, "young", share=0.3, young_seconds=0)
    assert (done.changes, done.taken_out) == (7, 3)
    left = entries(services, "young")
    assert [(entry.id, entry.kind) for entry in left] == [
        ("b", "delete"),
        ("a", "delete"),
        ("day=1", "mark"),
        ("a", "delete"),
    ]
    # One that was appended again since it was read is another change, and stays.
    journal.forget(["own"])
    (again,) = journal.append([Change("a", "delete", key="own")])
    assert journal.take_out(left) == 3
    assert entries(services, "young") == [again]


def test_the_watermark_of_a_source_counts_in_later_builds_too(services: Services, tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIMS)
    old = write_source(tmp_path / "old.parquet", IDS, vectors)
    new = write_source(tmp_path / "new.parquet", [*(each for each in IDS if each != "r2"), "new"], vectors)
    trained(services, "covered", old)
    first = index(services, "covered", old)
    writer = LiveWriter(services.cluster, "covered")
    writer.upsert([row("new", vectors[0]), row("r1", vectors[1] + 9)])
    writer.delete(["r2"])
    covers = now()
    writer.upsert([row("r3", vectors[3] + 9), row("late", vectors[4])])
    writer.delete(["r4"])
    # As old as the second change, and written only now: the source has a later word on r2, and none on r5.
    older = entries(services, "covered")[1].effective_position
    written = Journal(services.cluster, "covered").append(
        [Change("r1", "delete", effective_position=older - 1), Change("r5", "delete", effective_position=older)]
    )
    writer.apply(written)

    second = index(services, "covered", new, source_as_of=covers)
    assert second.promoted
    assert (second.rows_read, second.replaced) == (ROWS, 3)
    state = {"new": True, "r1": True, "r2": False, "r3": True, "r4": False, "r5": False, "late": True}
    assert held(services, second.index, list(state)) == state
    client = services.connection.client()
    source = client.get(index=second.index, id="r1")["_source"]
    assert "change" not in source["airlsh"]
    assert source["airlsh"]["row"] == 1

    assert rollback(RollbackSettings(name="covered"), services).live == first.index
    assert held(services, first.index, list(state)) == state
    promote_build(PromoteSettings(name="covered", build=second.build), services)
    third = index(services, "covered", new)
    assert third.replaced == 3
    records = BuildRecords(services.cluster).of("covered")
    watermark_of = {record.build: record.watermark for record in records}
    assert watermark_of[third.build] == watermark_of[second.build]
    assert watermark_of[first.build] == SourceWatermark()

    covered = deletable_position(records, third.index)
    assert covered == watermark_of[third.build].position
    record_deleted(services.cluster, "covered", watermark_of[third.build])
    compact_journal(services.cluster, "covered", watermark=covered, share=0, young_seconds=0)
    # Of r1 there is a change that is not covered: what it loses against stays.
    assert sorted(entry.id for entry in entries(services, "covered")) == ["late", "r1", "r3", "r4", "r5"]
    with pytest.raises(SettingsError, match=r"source_as_of.*the watermark of an earlier source"):
        index(services, "covered", new, source_as_of="2020-01-01")
    rollback(RollbackSettings(name="covered", build=first.build), services)
    assert held(services, first.index, list(state)) == state
    # The live build's source covered nothing, but what was taken out cannot be replayed.
    fourth = index(services, "covered", new, promote=False)
    assert held(services, fourth.index, list(state)) == state
    assert replay_changes(services.cluster, "covered", first.index).changes == 5
    # What the live build holds of those that were taken out, nothing tells any more.
    assert rollback(RollbackSettings(name="covered", build=first.build), services).live == first.index
    settings = IndexSettings(name="covered", source=old)
    for attempt in (
        lambda: stages.verify(settings, first.build, services),
        lambda: replay_dead_letters(ReplaySettings(name="covered", source=old, build=first.build), services),
    ):
        with pytest.raises(ChangesGoneError, match="have left the journal"):
            attempt()
        assert BuildRecords(services.cluster).get("covered", first.build).state == "verified"
    assert stages.verify(settings, third.build, services).replaced == 3


def test_live_changes_that_no_longer_fit_have_a_way_out(services: Services, tmp_path: Path) -> None:
    source = write_source(tmp_path / "short.parquet", IDS, clustered(ROWS, DIMS))
    trained(services, "wider", source)
    index(services, "wider", source)
    LiveWriter(services.cluster, "wider").upsert([row("r7", clustered(1, DIMS)[0])])
    covers = now()
    wide = write_source(tmp_path / "wide.parquet", IDS, clustered(ROWS, 24))
    trained(services, "wider", wide)
    with pytest.raises(VerificationError, match=r"'r7' \(the vector has 16 numbers, 24 are wanted\)") as refused:
        index(services, "wider", wide)
    assert "--source-as-of 20" in "".join(refused.value.__notes__)
    report = index(services, "wider", wide, source_as_of=covers)
    assert (report.promoted, report.replaced, report.documents) == (True, 0, ROWS)
