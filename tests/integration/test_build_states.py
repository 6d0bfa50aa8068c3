"""What becomes of a build that was verified, on a real node, when runs over it are repeated, fail or are killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic.connection import Connection
from lsh_core.errors import PromotionConflictError, SourceChangedError, SourceError, UnverifiedError, VerificationError
from lsh_core.jobs import dead_letters as jobs_dead_letters
from lsh_core.jobs import index as stages
from lsh_core.jobs.builds import promote, rollback
from lsh_core.jobs.dead_letters import ReplayReport, replay_dead_letters
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.refresh import refresh
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages import verify as verify_stage
from lsh_core.jobs.train import train
from lsh_core.live.live_writer import LiveWriter
from lsh_core.settings import (
    IndexSettings,
    PromoteSettings,
    RefreshSettings,
    ReplaySettings,
    RollbackSettings,
    TrainSettings,
)
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 300, 8
IDS = [f"r{row}" for row in range(ROWS)]
VECTORS = clustered(ROWS, DIMS) + 10


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


class Case:
    """An index whose source has a row, ``r7``, that is refused."""

    def __init__(self, name: str, services: Services, folder: Path) -> None:
        self.name, self.services, self._folder = name, services, folder
        self.client = services.connection.client()
        self.runs = BuildRecords(services.cluster)
        spoiled = VECTORS.copy()
        spoiled[7] = 0
        self.source = write_source(folder / "rows.parquet", IDS, spoiled)
        self.settings = IndexSettings(name=name, source=self.source, max_dead_letters=1, recall_queries=40)
        train(TrainSettings(name=name, source=self.source, metric="cosine"), services)

    @property
    def unpromoted(self) -> IndexSettings:
        """The settings of a run that leaves the alias: another build is live."""
        return self.settings.model_copy(update={"promote": False})

    def index(self) -> str:
        return str(run_index(self.settings, self.services).build)

    def correct(self, build: str) -> ReplayReport:
        source = write_source(self._folder / "corrected.parquet", ["r7"], VECTORS[7:8])
        return replay_dead_letters(ReplaySettings(name=self.name, source=source, build=build), self.services)

    def state(self, build: str) -> str:
        return str(self.runs.get(self.name, build).state)

    def write(self, identity: str) -> None:
        row = {"id": identity, "embedding": VECTORS[int(identity[1:])].tolist()}
        LiveWriter(self.services.cluster, self.name).upsert([row])

    def delete(self, identity: str) -> None:
        LiveWriter(self.services.cluster, self.name).delete([identity])


@pytest.fixture
def case(services: Services, tmp_path: Path, request: pytest.FixtureRequest) -> Case:
    return Case("".join(each if each.isalnum() else "-" for each in request.node.name).strip("-"), services, tmp_path)


@pytest.fixture
def seen() -> Iterator[Callable[[Callable[[], bool]], list[bool]]]:
    """Look at something all the time, until the test ends."""
    stop, threads = threading.Event(), []

    def watch(look: Callable[[], bool]) -> list[bool]:
        found: list[bool] = []

        def run() -> None:
            while not stop.is_set():
                found.append(look())

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return found

    yield watch
    stop.set()
    for thread in threads:
        thread.join()


def test_an_old_run_that_is_repeated_over_other_files(case: Case) -> None:
    first, second = case.index(), case.index()
    write_source(Path(case.source), IDS[1:], VECTORS[1:])
    with pytest.raises(SourceChangedError):
        run_index(case.unpromoted, case.services, first)
    assert (case.state(first), case.state(second)) == (BuildState.VERIFIED, BuildState.VERIFIED)
    assert "changed after the run was planned" in case.runs.get(case.name, first).error
    assert rollback(RollbackSettings(name=case.name), case.services).build == first


def test_a_run_that_is_repeated_and_killed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    build = case.index()
    case.index()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for stage, step in (("create", "_wait_for_copies"), ("verify", "verify_contents")):
        with monkeypatch.context() as patched:
            patched.setattr(f"lsh_core.jobs.stages.{stage}.{step}", killed, raising=True)
            with pytest.raises(KeyboardInterrupt):
                run_index(case.unpromoted, case.services, build)
        assert case.state(build) == BuildState.VERIFIED, stage


def test_a_live_build_that_is_written_to_while_it_is_verified(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    build = case.index()
    looks, really = iter(range(11, 1_000)), verify_stage.verify_samples

    def busy(*arguments: Any) -> int:
        case.delete(f"r{next(looks)}")
        really(*arguments)
        raise VerificationError("docs", "a sampled document", "present", "missing")

    with monkeypatch.context() as patched:
        patched.setattr(verify_stage, "verify_samples", busy)
        with pytest.raises(UnverifiedError, match="it is live, and was written to"):
            stages.verify(case.settings, build, case.services)
    assert case.state(build) == BuildState.VERIFIED
    assert next(looks) == 16

    def busy_once(*arguments: Any) -> int:
        patched.undo()
        return busy(*arguments)

    patched.setattr(verify_stage, "verify_samples", busy_once)
    assert stages.verify(case.settings, build, case.services).documents == ROWS - 1 - 6


def test_a_verified_build_that_is_found_wrong(case: Case) -> None:
    build = case.index()
    case.client.delete(index=case.name, id="r3", refresh=True)
    with pytest.raises(VerificationError, match="documents: expected 299, found 298"):
        stages.verify(case.settings, build, case.services)
    assert case.state(build) == BuildState.FAILED


def test_a_replay_of_dead_letters_that_is_killed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    build = case.index()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(jobs_dead_letters, "write_dead_letters", killed)
        with pytest.raises(KeyboardInterrupt):
            case.correct(build)
    assert case.state(build) == BuildState.CORRECTED
    newer = case.index()
    with pytest.raises(PromotionConflictError, match="is corrected, not verified: repeat the replay"):
        rollback(RollbackSettings(name=case.name), case.services)

    monkeypatch.setattr(verify_stage, "measure_build", killed)
    with pytest.raises(KeyboardInterrupt):
        case.correct(build)
    assert case.state(build) == BuildState.CORRECTED
    monkeypatch.undo()
    assert case.correct(build).report.dead_lettered == 0
    assert case.state(build) == BuildState.VERIFIED
    assert rollback(RollbackSettings(name=case.name), case.services).previous_index.endswith(newer)


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "rolled back to"])
def test_a_corrected_row_does_not_bring_back_what_was_deleted_live(
    case: Case, seen: Callable[[Callable[[], bool]], list[bool]], is_live: bool
) -> None:
    build = case.index()
    index = str(live_index(case.services.cluster, case.name))
    # Deletes are forgotten at once: a shard does so after an hour.
    case.client.indices.put_settings(index=index, settings={"index.gc_deletes": "0ms"})
    case.write("r7")
    case.delete("r7")
    if not is_live:
        promote(PromoteSettings(name=case.name, build=case.index()), case.services)
    stages.verify(case.settings, build, case.services)
    case.client.indices.refresh(index=index)
    time.sleep(1)  # The shard's clock for this moves in steps.
    case.client.indices.refresh(index=index)
    found = seen(lambda: bool(case.client.exists(index=index, id="r7")))

    result = case.correct(build)

    assert (result.replayed, result.report.state) == (1, BuildState.VERIFIED)
    assert (result.report.dead_lettered, result.report.replaced) == (0, 1)
    assert result.report.documents == ROWS - 1
    assert len(found) > 5
    assert not any(found)


def test_a_corrected_row_does_not_come_back_into_a_partition_that_was_refreshed(
    services: Services, tmp_path: Path
) -> None:
    name, vectors = "refreshed-since", VECTORS[:60].copy()
    vectors[[7, 37]] = 0
    for day, rows in enumerate((slice(0, 30), slice(30, 60))):
        (tmp_path / "lake" / f"day={day}").mkdir(parents=True)
        write_source(tmp_path / "lake" / f"day={day}" / "rows.parquet", IDS[rows], vectors[rows])
    source = str(tmp_path / "lake")
    train(TrainSettings(name=name, source=source, metric="cosine"), services)
    settings = IndexSettings(name=name, source=source, max_dead_letters=2, recall_queries=40)
    build = run_index(settings, services).build
    less = write_source(tmp_path / "less.parquet", IDS[:7], VECTORS[:7])
    refresh(RefreshSettings(name=name, source=less, partition="day=0"), services)
    corrected = write_source(tmp_path / "corrected.parquet", ["r7", "r37"], VECTORS[[7, 37]])

    replay = ReplaySettings(name=name, source=corrected, build=build)
    result = replay_dead_letters(replay, services)

    assert (result.replayed, result.unmatched, result.passed_over) == (1, 1, 1)
    assert (result.report.state, result.report.documents) == (BuildState.VERIFIED, 7 + 30)
    client = services.connection.client()
    assert [bool(client.exists(index=name, id=each)) for each in ("r7", "r37")] == [False, True]
    refresh(RefreshSettings(name=name, source=less, partition="day=1"), services)
    with pytest.raises(SourceError, match="day=0, day=1 were refreshed"):
        replay_dead_letters(replay, services)
