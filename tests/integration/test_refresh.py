"""Partitions refreshed on a real node: what is there is upserted, what left is deleted, once, whoever is at work."""

from __future__ import annotations

import shutil
import threading
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller, hold
from lsh_core.errors import (
    InputError,
    LeaseHeldError,
    LeaseLostError,
    LoadError,
    SettingsError,
    SourceChangedError,
    SourceError,
)
from lsh_core.jobs import refresh as refreshing
from lsh_core.jobs.builds import promote_build, rollback
from lsh_core.jobs.index import check, run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.refresh import RefreshReport, refresh_partition
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.live.journal import Journal
from lsh_core.live.live_writer import LiveWriter
from lsh_core.live.partition_fence import fenced_journal_alias
from lsh_core.live.partition_state import PartitionState, PartitionStore
from lsh_core.settings import IndexSettings, PromoteSettings, RefreshSettings, RollbackSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

DIMS = 16
Rows = dict[str, int]
"""The number in each row's column `stamp`, by id."""


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


class Lake:
    """A dataset of two days under one name, and an index of it."""

    def __init__(self, services: Services, folder: Path, name: str) -> None:
        self.services, self.folder, self.name = services, folder, name
        self.days: dict[str, Rows] = {}

    def write(self, day: str, rows: Rows, /, *, row_group: int = 1_000_000, **columns: Any) -> None:
        folder = self.folder / f"day={day}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stamps = list(rows.values())
        vectors = clustered(len(rows), DIMS, seed=sum(stamps) % 1000)
        write_source(folder / "part.parquet", list(rows), vectors, row_group=row_group, stamp=stamps, **columns)
        self.days[day] = rows

    def index(self, build: str | None = None, *, promote: bool = True) -> IndexReport:
        train(TrainSettings(name=self.name, source=str(self.folder), metric="l2"), self.services)
        settings = IndexSettings(name=self.name, source=str(self.folder), promote=promote, recall_queries=40)
        return run_index(settings, self.services, build)

    def refresh(self, day: str, **options: Any) -> RefreshReport:
        settings = RefreshSettings(name=self.name, source=str(self.folder), partition=f"day={day}", **options)
        return refresh_partition(settings, self.services)

    def held(self) -> dict[str, tuple[str | None, int]]:
        """Return partition and stamp of every live document, by id."""
        client = self.services.connection.client()
        client.indices.refresh(index=self.name)
        hits = client.search(index=self.name, size=10_000, source_includes=["stamp", "airlsh.partition"])["hits"][
            "hits"
        ]
        return {
            hit["_id"]: (hit["_source"].get("airlsh", {}).get("partition"), hit["_source"]["stamp"]) for hit in hits
        }

    def wanted(self) -> dict[str, tuple[str | None, int]]:
        """Return what the files hold."""
        return {each: (f"day={day}", stamp) for day, rows in self.days.items() for each, stamp in rows.items()}


_NUMBERS = count(1)


@pytest.fixture
def lake(services: Services, tmp_path: Path) -> Lake:
    made = Lake(services, tmp_path / "lake", f"lake-{next(_NUMBERS)}")
    made.write("1", {f"a{each}": each for each in range(300)})
    made.write("2", {f"b{each}": each for each in range(300)})
    return made


def test_a_partition_becomes_what_its_source_is_once(lake: Lake) -> None:
    lake.index()
    lake.write("1", {f"a{each}": each + 1000 for each in range(100, 500)}, row_group=90)
    lake.write("2", {"b0": 7})  # Not refreshed yet.

    first = lake.refresh("1")

    assert (first.rows, first.upserted, first.deleted, first.unchanged) == (400, 400, 100, False)
    held = lake.held()
    assert {each: value for each, value in held.items() if value[0] == "day=1"} == {
        each: value for each, value in lake.wanted().items() if value[0] == "day=1"
    }
    assert len(held) == 700

    journal = Journal(lake.services.cluster, lake.name)
    before = journal.barrier()
    again = lake.refresh("1")
    assert (again.upserted, again.deleted, again.unchanged, again.generation) == (0, 0, True, 1)
    assert not journal.has_any(after=before)

    writer = LiveWriter(lake.services.cluster, lake.name)
    writer.delete(["a100"])
    writer.upsert([{"id": "a101", "embedding": [1.0] * DIMS, "stamp": 1}])
    assert lake.refresh("1").unchanged
    more = lake.refresh("1", again=True)
    assert (more.upserted, more.deleted, more.unchanged, more.generation) == (400, 0, False, 2)

    assert lake.refresh("2").deleted == 299
    assert lake.held() == lake.wanted()


def test_a_key_that_is_also_a_column_of_the_files_tells_their_partition(services: Services, tmp_path: Path) -> None:
    lake = Lake(services, tmp_path / "lake", "lake-stored")
    lake.write("1", {f"a{each}": each for each in range(300)}, day=[1] * 300)
    lake.write("2", {f"b{each}": each for each in range(300)}, day=[2] * 300)
    lake.index()
    assert lake.held() == lake.wanted()
    lake.write("1", {f"a{each}": each for each in range(200)}, day=[1] * 200)
    result = lake.refresh("1")
    assert (result.rows, result.deleted) == (200, 100)
    assert lake.held() == lake.wanted()


def test_every_partition_that_is_loaded_can_be_refreshed(services: Services, tmp_path: Path) -> None:
    lake = Lake(services, tmp_path / "lake", "lake-" + "n" * 95)
    long = f"{'ä' * 100}/kind={'ö' * 100}/town={'ü' * 100}"
    for day in (long, "1/kind=a%2Fb/town=5%25", "2/kind=__HIVE_DEFAULT_PARTITION__/town=é"):
        lake.write(day, {f"{day[0]}{each}": each for each in range(100)})
    lake.index()
    assert lake.held() == lake.wanted()
    for day in lake.days:
        lake.write(day, {f"{day[0]}{each}": each for each in range(40)})
        assert lake.refresh(day).deleted == 60
    assert lake.held() == lake.wanted()


def test_of_repeated_ids_the_last_row_wins_and_parts_are_of_any_size(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsh_core.sources.batches.ROWS_AT_ONCE", 40)
    monkeypatch.setattr("lsh_core.live.partition_sweep._PAGE", 50)
    lake.index()
    folder = lake.folder / "day=1"
    ids = [f"a{each % 120}" for each in range(240)]
    write_source(folder / "part.parquet", ids, clustered(240, DIMS), row_group=70, stamp=list(range(240)))
    result = lake.refresh("1")
    assert (result.rows, result.deleted) == (240, 180)
    lake.days["1"] = dict(zip(ids, range(240), strict=True))
    assert lake.held() == lake.wanted()


@pytest.mark.parametrize("order", ["12", "21"])
def test_an_id_that_moves_belongs_to_its_new_partition(lake: Lake, order: str) -> None:
    lake.index()
    lake.write("1", {f"a{each}": 5 for each in range(100)})
    lake.write("2", {f"b{each}": each for each in range(300)} | {f"a{each}": 9 for each in range(100, 300)})
    deleted = [lake.refresh(day).deleted for day in order]
    assert sum(deleted) == (200 if order == "12" else 0)
    assert lake.held() == lake.wanted()


def test_a_write_that_is_newer_than_the_refresh_stays(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.index()
    lake.write("1", {"a0": 50, "a1": 51})
    writer = LiveWriter(lake.services.cluster, lake.name)
    upserted = refreshing._upsert

    def meanwhile(*arguments: Any) -> int:
        count = upserted(*arguments)
        writer.upsert([{"id": "a2", "embedding": clustered(1, DIMS)[0].tolist(), "stamp": 99}])  # Left the source.
        writer.delete(["a1"])
        return count

    monkeypatch.setattr(refreshing, "_upsert", meanwhile)
    lake.refresh("1")
    held = lake.held()
    assert held["a2"] == (None, 99)
    assert held["a0"] == ("day=1", 50)
    assert "a1" not in held
    assert not {f"a{each}" for each in range(3, 300)} & set(held)


class Killed(BaseException):
    """In the place of a SIGKILL."""


@pytest.mark.parametrize("moment", ["begun", "written", "sweeping", "swept"])
def test_a_killed_refresh_goes_on_and_others_know_what_it_did(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("lsh_core.sources.batches.ROWS_AT_ONCE", 50)
    lake.index()
    lake.write("1", {f"a{each}": each + 1000 for each in range(150, 350)})

    def dies_after(calls: int, real: Any) -> Any:
        left = [calls]

        def call(*arguments: Any, **options: Any) -> Any:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        if moment == "begun":
            patch.setattr(refreshing, "_upsert", dies_after(0, refreshing._upsert))
        elif moment == "written":
            patch.setattr(LiveWriter, "_apply", dies_after(2, LiveWriter._apply))
        elif moment == "sweeping":
            patch.setattr(refreshing, "sweep", dies_after(0, refreshing.sweep))
        else:
            patch.setattr(PartitionStore, "update", dies_after(1, PartitionStore.update))
        with pytest.raises(Killed):
            lake.refresh("1")
    journal = Journal(lake.services.cluster, lake.name)
    between = journal.barrier()

    result = lake.refresh("1")

    assert (result.generation, result.unchanged) == (1, False)
    assert lake.held() == lake.wanted()
    if moment == "swept":
        assert not journal.has_any(after=between), "what was in the journal was appended again"


def test_a_refresh_during_a_rebuild_counts_in_the_new_build_and_after_a_rollback(lake: Lake) -> None:
    older = lake.index()
    lake.write("2", {f"b{each}": each for each in range(320)})
    lake.index()
    # Of the rebuild, everything but the promotion; it loads ids that what is live does not have.
    lake.write("1", {f"a{each}": each for each in range(310)})
    built = lake.index(promote=False)
    # Promoted by hand later: a refresh that began after the rebuild had read the files is news to it.
    lake.write("1", {f"a{each}": each + 1000 for each in range(200)})
    assert lake.refresh("1").deleted == 100

    promote_build(PromoteSettings(name=lake.name, build=built.build), lake.services)
    assert live_index(lake.services.cluster, lake.name) == built.index
    assert lake.held() == lake.wanted()

    rollback(RollbackSettings(name=lake.name, build=older.build), lake.services)
    held = lake.held()
    assert {each: held[each] for each in held if held[each][0] == "day=1"} == {
        each: ("day=1", stamp) for each, stamp in lake.days["1"].items()
    }


def test_rows_that_a_rebuild_read_after_the_refresh_stay(lake: Lake) -> None:
    lake.index()
    lake.write("1", {f"a{each}": 1 for each in range(100)})
    lake.refresh("1")
    lake.write("1", {f"a{each}": 1 for each in range(100)} | {"new": 3})
    report = lake.index()
    assert report.rows_read == 401
    assert lake.held() == lake.wanted()


def add_file(lake: Lake, day: str, rows: Rows) -> None:
    """Add a file to a partition."""
    path = lake.folder / f"day={day}" / f"z{len(lake.days[day])}.parquet"
    write_source(path, list(rows), clustered(len(rows), DIMS), stamp=list(rows.values()))
    lake.days[day] = lake.days[day] | rows


def test_a_build_that_read_more_files_of_the_partition_than_the_refresh_keeps_them(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.index()
    lake.write("1", {f"a{each}": each for each in range(320)})
    lake.refresh("1")
    lake.write("1", {f"a{each}": each for each in range(200)})
    upserted = refreshing._upsert

    def meanwhile(*arguments: Any) -> int:
        count = upserted(*arguments)
        add_file(lake, "1", {f"new{each}": each for each in range(30)})
        lake.index()
        return count

    with monkeypatch.context() as patch:
        patch.setattr(refreshing, "_upsert", meanwhile)
        lake.refresh("1")
    # What an earlier refresh had written live, and has left since, is gone from the new build as well.
    assert lake.held() == lake.wanted()
    lake.index()
    assert lake.held() == lake.wanted()
    assert lake.refresh("1").deleted == 0
    assert lake.held() == lake.wanted()


def test_files_that_were_added_while_rows_were_checked_are_not_passed_over(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.index()
    lake.write("1", {f"a{each}": each for each in range(200)})
    checked = refreshing._check_rows

    def meanwhile(*arguments: Any) -> None:
        checked(*arguments)
        add_file(lake, "1", {"new": 1})
        lake.index()

    with monkeypatch.context() as patch:
        patch.setattr(refreshing, "_check_rows", meanwhile)
        with pytest.raises(SourceChangedError, match=r"planned 1 files, 200 rows, found 2 files, 201 rows"):
            lake.refresh("1")
    assert lake.held() == lake.wanted()
    assert lake.refresh("1").rows == 201
    assert lake.held() == lake.wanted()


def test_a_build_knows_the_refreshes_before_its_files_were_listed(lake: Lake) -> None:
    lake.index()
    settings = IndexSettings(name=lake.name, source=str(lake.folder), recall_queries=40)
    check(settings, "planned-later", lake.services)
    lake.write("1", {f"a{each}": each for each in range(200)})
    lake.refresh("1")
    add_file(lake, "1", {f"new{each}": each for each in range(30)})
    run_index(settings, lake.services, "planned-later")
    assert lake.held() == lake.wanted()


def test_ten_writers_and_three_partitions_during_a_reindex_a_promotion_and_a_rollback(
    lake: Lake, tmp_path: Path
) -> None:
    """What every thread was told is kept beside, and compared with each build that was live."""
    lake.write("3", {f"c{each}": each for each in range(300)})
    first = lake.index()
    vectors = clustered(200, DIMS, seed=4)
    model: dict[str, tuple[str | None, int] | None] = {}
    landed: dict[str, Rows] = {}
    troubles: list[Exception] = []
    stopped = threading.Event()

    def write(number: int) -> None:
        generator = np.random.default_rng(number)
        writer = LiveWriter(lake.services.cluster, lake.name)
        for turn in takewhile(lambda _: not stopped.is_set(), count()):
            identity = f"w{number}-{generator.integers(20)}"
            if generator.random() < 0.4:
                writer.delete([identity])
                model[identity] = None
            else:
                vector = vectors[generator.integers(200)].tolist()
                writer.upsert([{"id": identity, "embedding": vector, "stamp": turn}])
                model[identity] = (None, turn)

    def land(day: str, letter: str) -> None:
        generator = np.random.default_rng(ord(letter))
        copy = Lake(lake.services, tmp_path / f"landing-{day}", lake.name)
        for turn in takewhile(lambda _: not stopped.is_set(), count(1)):
            ids = generator.permutation(400)[: generator.integers(50, 350)].tolist()
            copy.write(day, {f"{letter}{each}": turn for each in ids})
            assert copy.refresh(day).rows == len(ids)
            landed[day] = copy.days[day]
            stopped.wait(0.3)

    def safely(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=safely, args=(write, number)) for number in range(10)]
    threads += [
        threading.Thread(target=safely, args=(land, day, letter)) for day, letter in zip("123", "abc", strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        second = lake.index()
        stopped.wait(0.5)
        assert rollback(RollbackSettings(name=lake.name), lake.services).live == first.index
        stopped.wait(0.5)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()

    assert not troubles
    assert len(model) > 50
    assert set(landed) == set("123")
    wanted = {identity: kept for identity, kept in model.items() if kept is not None}
    wanted |= {each: (f"day={day}", turn) for day, rows in landed.items() for each, turn in rows.items()}
    assert lake.held() == wanted
    promote_build(PromoteSettings(name=lake.name, build=second.build), lake.services)
    assert live_index(lake.services.cluster, lake.name) == second.index
    assert lake.held() == wanted


def test_two_at_one_partition_and_two_at_two(lake: Lake) -> None:
    lake.index()
    somebody = Caller("somebody", "somebody on a machine, process 1")
    with hold(lake.services.cluster, lake.name, "partition:day=1", somebody) as lease:
        with pytest.raises(LeaseHeldError, match="somebody on a machine, process 1"):
            lake.refresh("1")
        assert lake.refresh("2").upserted == 300
        store = PartitionStore(lake.services.cluster, lake.name, "day=1", epoch=lease.epoch)
        late = PartitionStore(lake.services.cluster, lake.name, "day=1", epoch=lease.epoch)
        assert store.begin("one").generation == 1
        with pytest.raises(LeaseLostError):
            late.begin("another")
    assert lake.refresh("1").generation == 2
    assert lake.held() == lake.wanted()


def test_a_refresh_that_wakes_up_after_another_took_over_appends_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsh_core.sources.batches.ROWS_AT_ONCE", 50)
    lake.index()
    lake.write("1", {f"a{each}": 1000 for each in range(200)})
    journal = Journal(lake.services.cluster, lake.name)
    upsert = LiveWriter.upsert
    calls: list[int] = []

    def asleep(self: LiveWriter, *arguments: Any, **options: Any) -> Any:
        calls.append(len(calls))
        if len(calls) == 3:
            store = PartitionStore(lake.services.cluster, lake.name, "day=1", epoch=1000)
            with fenced_journal_alias(lake.services.cluster, store.digest, 1000):
                store.begin("of other files")
            calls.append(journal.barrier())
        return upsert(self, *arguments, **options)

    monkeypatch.setattr(LiveWriter, "upsert", asleep)
    with pytest.raises(LoadError, match="another run holds the lease"):
        lake.refresh("1")
    assert not journal.has_any(after=calls[-1])
    monkeypatch.undo()
    assert lake.refresh("1").generation == 3
    assert lake.held() == lake.wanted()
    aliases = lake.services.connection.client().indices.get_alias(index="airlsh-changes")["airlsh-changes"]["aliases"]
    assert not aliases


def test_what_cannot_be_refreshed_is_said_and_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    lake.index()
    journal = Journal(lake.services.cluster, lake.name)
    before = journal.barrier()
    with pytest.raises(SourceError, match=r"has no partition 'day=3': did you mean day=.\? there are day=1, day=2"):
        lake.refresh("3")
    lake.write("1", {f"a{each}": each for each in range(250)})
    vectors = clustered(10, DIMS)
    vectors[7, 2] = float("nan")
    write_source(lake.folder / "day=1" / "z.parquet", [f"z{each}" for each in range(10)], vectors, stamp=[0] * 10)
    with pytest.raises(SourceError, match=r"z\.parquet: row 7: nan"):
        lake.refresh("1")
    write_source(tmp_path / "empty.parquet", [], clustered(0, DIMS), stamp=[])
    empty = {"name": lake.name, "source": str(tmp_path / "empty.parquet"), "partition": "day=1"}
    with pytest.raises(SourceError, match="--allow-empty"):
        refresh_partition(RefreshSettings(**empty), lake.services)
    assert not journal.has_any(after=before)
    assert len(lake.held()) == 600

    gone = refresh_partition(RefreshSettings(**empty, allow_empty=True), lake.services)
    assert gone.deleted == 300
    assert set(lake.held()) == {f"b{each}" for each in range(300)}


def test_only_the_types_of_the_partition_itself_must_be_those_of_the_build(lake: Lake) -> None:
    lake.index()
    lake.write("1", {f"a{each}": each for each in range(250)})
    for day, stamps in (("2", ["x", "y"]), ("3", [1, 2])):
        shutil.rmtree(lake.folder / f"day={day}", ignore_errors=True)
        (lake.folder / f"day={day}").mkdir()
        write_source(lake.folder / f"day={day}" / "part.parquet", ["c1", "c2"], clustered(2, DIMS), stamp=stamps)
    journal = Journal(lake.services.cluster, lake.name)
    before = journal.barrier()
    with pytest.raises(InputError, match="stamp"):
        lake.refresh("2")
    assert not journal.has_any(after=before)
    assert lake.refresh("1").deleted == 50
    assert lake.held()["a249"] == ("day=1", 249)


def test_a_file_of_its_own_is_given_the_partition_it_is_said_to_be(lake: Lake, tmp_path: Path) -> None:
    lake.index()
    landed = write_source(tmp_path / "landed.parquet", ["n1", "n2"], clustered(2, DIMS), stamp=[1, 2])
    refresh_partition(RefreshSettings(name=lake.name, source=landed, partition="day=3"), lake.services)
    client = lake.services.connection.client()
    client.indices.refresh(index=lake.name)
    assert client.count(index=lake.name, query={"term": {"day": "3"}})["count"] == 2
    assert lake.held()["n2"] == ("day=3", 2)


@pytest.mark.parametrize("partition", ["", "day", "=1", "day=", "day=1/", "day=1/x", "a/day=1", "day=\n"])
def test_a_partition_is_named_by_its_folders(partition: str) -> None:
    with pytest.raises(SettingsError):
        RefreshSettings(name="n", source="s", partition=partition)


def test_the_keys_of_what_a_refresh_writes_are_its_own() -> None:
    one = PartitionState("n", "day=1", "f", 1)
    assert one.key("file", 1) == one.key("file", 1)
    others = [
        PartitionState("n", "day=1", "f", 2),
        PartitionState("n", "day=2", "f", 1),
        PartitionState("m", "day=1", "f", 1),
    ]
    assert len({one.key("file", 1), one.key("file", 2), *(other.key("file", 1) for other in others)}) == 5
