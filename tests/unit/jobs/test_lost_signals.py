"""A signal whose exception a library drops ends the run all the same, before its next step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import CheckFacts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import BUILD, Caller, Lease
from lsh_core.jobs import index
from lsh_core.jobs.dask.worker_liveness import WorkerLiveness
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.stage_runner import Stage, StageWork, stage
from lsh_core.settings import IndexSettings
from lsh_core.signals import raise_if_signalled, signals_as_exceptions
from tests.fakes.lease_holders import holder_of
from tests.fakes.lost_signals import ctrl_c_handled, lose_a_signal, lose_a_signal_in_a_finalizer
from tests.fakes.memory_server import MemoryServer
from tests.fakes.reports import CHECKED

SETTINGS = IndexSettings(name="docs", source="docs.parquet")
TERMINATED = 128 + signal.SIGTERM
ENDINGS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
"""Signals that end a run."""


@pytest.fixture(autouse=True)
def in_foreground() -> Iterator[None]:
    with ctrl_c_handled():
        yield


@pytest.fixture
def server() -> Any:
    made: Any = MemoryServer()
    BuildRecords(Cluster(made)).start("docs", "b1", index="airlsh-docs-b1", model_id="m")
    return made


def made_stage(name: str, told: list[str], work: Callable[[], None] = lambda: None) -> Stage:
    def run(settings: IndexSettings, build: str, services: Services, lease: Lease) -> CheckFacts:
        told.append(name)
        work()
        return CHECKED

    run.__name__ = name
    made: StageWork[CheckFacts] = run
    return stage(made)


def run_stages(server: Any, monkeypatch: pytest.MonkeyPatch, *stages: Stage) -> BaseException:
    """Run `stages` as `airlsh index` does; return the exception that ends them."""
    monkeypatch.setattr(index, "STAGES", stages)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as ended, signals_as_exceptions():
        index.run_index(SETTINGS, Services(server, None, Caller("run", "a run")), "b1")
    return ended.value


def is_of(ended: BaseException, number: signal.Signals) -> bool:
    """Return whether `ended` is the exception of signal `number`."""
    if number == signal.SIGINT:
        return isinstance(ended, KeyboardInterrupt)
    return isinstance(ended, SystemExit) and ended.code == 128 + number


@ENDINGS
def test_no_stage_follows_one_that_lost_a_signal(
    server: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    told: list[str] = []
    losing = made_stage("check", told, partial(lose_a_signal, number))
    ended = run_stages(server, monkeypatch, losing, made_stage("promote", told))
    assert is_of(ended, number)
    assert told == ["check"]
    assert holder_of(Cluster(server), "docs", BUILD) is None
    record = BuildRecords(Cluster(server)).get("docs", "b1")
    assert (record.state, record.error) == ("failed", f"check: ended by {type(ended).__name__}")


@ENDINGS
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_stage_follows_one_whose_finalizer_lost_a_signal(
    server: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    told: list[str] = []
    losing = made_stage("check", told, partial(lose_a_signal_in_a_finalizer, number))
    ended = run_stages(server, monkeypatch, losing, made_stage("promote", told))
    assert is_of(ended, number)
    assert told == ["check"]


@ENDINGS
def test_no_stage_begins_after_a_signal_that_was_lost_between_two(
    server: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    told: list[str] = []
    note = BuildRecords.record_stage

    def noted(*arguments: Any) -> None:
        note(*arguments)
        lose_a_signal(number)

    monkeypatch.setattr(BuildRecords, "record_stage", noted)
    ended = run_stages(server, monkeypatch, made_stage("check", told), made_stage("promote", told))
    assert is_of(ended, number)
    assert told == ["check"]
    assert holder_of(Cluster(server), "docs", BUILD) is None


@ENDINGS
def test_a_wait_for_workers_ends_by_a_signal_that_was_lost(number: signal.Signals) -> None:
    dask: Any = object()
    with signals_as_exceptions():
        watch = WorkerLiveness(dask)
        lose_a_signal(number)
        with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:
            watch.require()
    assert is_of(ended.value, number)


def test_a_second_signal_is_raised_as_the_first() -> None:
    with signals_as_exceptions():
        for _ in range(2):
            lose_a_signal()
        with contextlib.suppress(SystemExit):
            signal.raise_signal(signal.SIGHUP)
        with pytest.raises(SystemExit) as ended:
            raise_if_signalled()
    assert ended.value.code == 128 + signal.SIGHUP


@ENDINGS
def test_a_signal_is_forgotten_at_the_end_of_the_outermost_block_alone(number: signal.Signals) -> None:
    with signals_as_exceptions():
        with signals_as_exceptions():
            lose_a_signal(number)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            raise_if_signalled()
    raise_if_signalled()


def test_a_thread_of_its_own_goes_on() -> None:
    went_on: list[bool] = []

    def work() -> None:
        raise_if_signalled()
        went_on.append(True)

    with signals_as_exceptions():
        lose_a_signal()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert went_on == [True]
