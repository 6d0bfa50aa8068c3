"""A load that lost its submitter is gone on with: adopted while it runs, taken over where it does not."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from lsh_core.builds.names import write_alias
from lsh_core.builds.records import BuildRecords
from lsh_core.builds.write_fence import allow_writes, read_write_fence
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import BUILD, Caller, hold
from lsh_core.elastic.system_indices import LEDGER
from lsh_core.errors import LeaseHeldError, LoadError, NotFoundError, SettingsError, UnavailableError
from lsh_core.jobs import index as stages
from lsh_core.jobs.dask import futures, load_job
from lsh_core.jobs.index import resumed_settings, run_index
from lsh_core.jobs.services import Services, dask_client
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 6_000, 24
SUBMIT = """
import sys
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller
from lsh_core.jobs import index as stages
from lsh_core.jobs.services import Services
from lsh_core.settings import IndexSettings
es, dask, settings, build = sys.argv[1:]
services = Services(Connection((es,)), dask, Caller("the run", "the first try"))
for stage in (stages.check, stages.plan, stages.create, stages.load):
    stage(IndexSettings.model_validate_json(settings), build, services)
"""

FOREGROUND = """
import signal
from lsh_core.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command line, with Ctrl-C as in the foreground."""


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def source(services: Services, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("resumed") / "rows.parquet"
    return write_source(path, list(range(ROWS)), clustered(ROWS, DIMS))


@pytest.fixture
def submitter(services: Services, source: str, request: pytest.FixtureRequest) -> Iterator[tuple[IndexSettings, str]]:
    """A process that submitted the load of a build and was killed after a few chunks; its settings and build."""
    name = request.node.name.replace("_", "-")
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    settings, build = IndexSettings(name=name, source=source, chunk_rows=200, request_bytes=1024), f"{name}-1"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SUBMIT,
            services.connection.urls[0],
            str(services.dask),
            settings.model_dump_json(),
            build,
        ]
    )
    try:
        _wait_for_chunks(services, build, 3)
    finally:
        process.kill()
        process.wait()
    yield settings, build
    _stop_load(services, build)


def _stop_load(services: Services, build: str) -> None:
    """Cancel the job of `build` from outside the process that waits for it."""
    with dask_client(services) as dask:
        load_job.cancel(dask, build)


def _wait_for_build(services: Services, name: str) -> str:
    runs = BuildRecords(services.cluster)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(NotFoundError):
            if builds := runs.of(name):
                return builds[0].build
        time.sleep(0.05)
    raise TimeoutError(f"{name} has no build")


def _wait_for_chunks(services: Services, build: str, minimum: int) -> int:
    client = services.connection.client()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if client.indices.exists(index=LEDGER):
            client.indices.refresh(index=LEDGER)
            if (found := services.cluster.count(LEDGER, {"term": {"build": build}})) >= minimum:
                return found
        time.sleep(0.05)
    raise TimeoutError(f"{build} has no {minimum} chunks in the ledger")


def _entries(services: Services, build: str) -> dict[int, int]:
    """Return the place in the ledger of the entry of each chunk."""
    client = services.connection.client()
    client.indices.refresh(index=LEDGER)
    hits = client.search(index=LEDGER, query={"term": {"build": build}}, size=1000, seq_no_primary_term=True)
    return {hit["_source"]["chunk"]: hit["_seq_no"] for hit in hits["hits"]["hits"]}


def test_a_job_whose_submitter_was_killed_is_adopted(services: Services, submitter: tuple[IndexSettings, str]) -> None:
    settings, build = submitter
    own = replace(services, caller=Caller("the run", "the second try"))
    before = _entries(services, build)
    assert len(before) < ROWS // 200
    another = hold(services.cluster, settings.name, BUILD, Caller("another run", "another run"), outwait=False)
    with pytest.raises(LeaseHeldError, match="the first try"), another:
        pass
    assert stages.load(settings, build, own).adopted
    after = _entries(services, build)
    assert {chunk: after[chunk] for chunk in before} == before, "a chunk in the ledger was sent again"
    for stage in (stages.finalize, stages.verify):
        stage(settings, build, own)
    assert stages.summarise(settings, build, own).documents == ROWS


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "signal")]
)
def test_a_command_that_is_told_to_end_gives_its_leases_back_and_can_be_resumed(
    services: Services, source: str, number: signal.Signals, code: int, said: str
) -> None:
    name = f"told-to-end-{code}"
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    settings = IndexSettings(name=name, source=source, chunk_rows=100, request_bytes=1024)
    servers = ("--es", services.connection.urls[0], "--dask", str(services.dask))
    sizes = ("--chunk-rows", "100", "--request-bytes", "1024")
    command = subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, "index", name, "--source", source, *sizes, *servers],
        stderr=subprocess.PIPE,
        text=True,
    )
    build = _wait_for_build(services, name)
    _wait_for_chunks(services, build, 2)
    command.send_signal(number)
    _, error = command.communicate(timeout=60)
    assert command.returncode == code, error
    assert error.rstrip().splitlines()[-1].startswith("airlsh: ")
    assert said in error
    assert f"to resume it: airlsh index {name} --resume {build}" in error
    with hold(services.cluster, name, BUILD, Caller("next", "the next run"), outwait=False):
        pass  # Refused at once if the lease were still held.
    assert run_index(settings, services, build).documents == ROWS


def test_a_job_that_was_cancelled_is_started_anew_without_what_is_done(
    services: Services, submitter: tuple[IndexSettings, str]
) -> None:
    settings, build = submitter
    _stop_load(services, build)
    client = services.connection.client()
    record = BuildRecords(services.cluster).get(settings.name, build)
    fence = read_write_fence(services.cluster, record.index, build)
    assert fence.is_open, "nobody was left to close it"
    before = _entries(services, build)

    report = run_index(resumed_settings(settings.name, build, {}, services), services, build)

    assert report.promoted
    assert report.documents == ROWS
    assert report.skipped >= len(before) * 190
    after = _entries(services, build)
    assert {chunk: after[chunk] for chunk in before} == before, "a chunk in the ledger was sent again"
    late = client.bulk(
        index=write_alias(build, fence.epoch), operations=[{"index": {"_id": "late"}}, {"a": 1}], require_alias=True
    )
    assert late["items"][0]["index"]["status"] == 404


def _forget(services: Services, build: str) -> None:
    """Have the scheduler forget the tasks of a job whose futures it has published."""

    def forget(dask_scheduler: Any) -> None:
        name = f"published-airlsh-load-{build}"
        dask_scheduler.client_releases_keys([task.key for task in dask_scheduler.clients[name].wants_what], name)

    with dask_client(services) as dask:
        dask.run_on_scheduler(forget)


def test_a_job_that_the_scheduler_has_forgotten_is_not_adopted(
    services: Services, submitter: tuple[IndexSettings, str]
) -> None:
    settings, build = submitter
    _forget(services, build)
    found = stages.load(settings, build, replace(services, caller=Caller("the run", "the second try")))
    assert not found.adopted
    assert found.rows_read + found.skipped == ROWS


def test_a_job_that_the_scheduler_does_not_know_is_not_followed_for_ever(
    services: Services, submitter: tuple[IndexSettings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, build = submitter
    _forget(services, build)
    monkeypatch.setattr(futures, "_ASK_SECONDS", 0.5)
    with dask_client(services) as dask:
        job = load_job.find(dask, build)
        assert job is not None
        with pytest.raises(UnavailableError, match=r"has forgotten \d+ tasks"):
            load_job.follow(dask, job, build, lambda: None, lambda *_: None)


def test_a_load_whose_fence_is_taken_stops_and_leaves_no_entry(services: Services, source: str) -> None:
    name, build = "usurped", "usurped-1"
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    settings = IndexSettings(name=name, source=source, chunk_rows=200, request_bytes=1024)
    own = replace(services, caller=Caller("the run", "the run"))
    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, own)
    index = BuildRecords(services.cluster).get(name, build).index
    taken: list[dict[int, int]] = []

    def usurp() -> None:
        _wait_for_chunks(services, build, 3)
        allow_writes(services.cluster, index, build, 1000)
        taken.append(_entries(services, build))

    usurper = threading.Thread(target=usurp)
    usurper.start()
    with pytest.raises(LoadError, match=r"no such index|index_not_found|epoch"):
        stages.load(settings, build, own)
    usurper.join()
    assert _entries(services, build) == taken[0], "a loader of an epoch that is over wrote to the ledger"


def test_what_a_build_was_planned_with_does_not_change(services: Services, source: str) -> None:
    train(TrainSettings(name="planned", source=source, metric="l2"), services)
    own = replace(services, caller=Caller("the run", "the run"))
    stages.check(IndexSettings(name="planned", source=source, shards=1), "planned-1", own)
    kept = resumed_settings("planned", "planned-1", {"max_dead_letters": 3}, services)
    assert (kept.shards, kept.max_dead_letters) == (1, 3)
    with pytest.raises(SettingsError, match="planned with 1"):
        resumed_settings("planned", "planned-1", {"shards": 2}, services)


def test_of_two_runs_of_one_name_the_second_is_told_who_is_at_it(services: Services, source: str) -> None:
    train(TrainSettings(name="contended", source=source, metric="l2"), services)
    holder = Caller("somebody", "somebody on a machine, process 1")
    with (
        hold(services.cluster, "contended", BUILD, holder),
        pytest.raises(LeaseHeldError, match="somebody on a machine, process 1"),
    ):
        run_index(IndexSettings(name="contended", source=source), services)
    assert run_index(IndexSettings(name="contended", source=source), services).promoted
