"""When a stage of an index run gives the lease of its name back."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import CheckFacts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import BUILD, Caller, Lease
from lsh_core.errors import (
    AirlshError,
    LoadError,
    NotFoundError,
    SchemaError,
    UnavailableError,
    UnexpectedError,
    VerificationError,
)
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.jobs.stages.summarise import summarise
from lsh_core.settings import IndexSettings
from tests.fakes.lease_holders import holder_of
from tests.fakes.memory_server import MemoryServer
from tests.fakes.reports import CHECKED

SETTINGS = IndexSettings(name="docs", source="docs.parquet")


@pytest.fixture
def server() -> Any:
    made: Any = MemoryServer()
    BuildRecords(Cluster(made)).start("docs", "b1", index="airlsh-docs-b1", model_id="m")
    return made


def run_stage(server: Any, error: BaseException | None, identity: str | None = "run") -> None:
    @stage
    def check(settings: IndexSettings, build: str, services: Services, lease: Lease) -> CheckFacts:
        if error is not None:
            raise error
        return CHECKED

    check(SETTINGS, "b1", Services(server, None, Caller(identity, "a run")))


@pytest.mark.parametrize(
    "error",
    [
        SchemaError("docs.parquet", "embedding", "is missing"),
        VerificationError("airlsh-docs-b1", "documents", 10, 9),
        KeyboardInterrupt(),
        SystemExit(143),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_stage_that_is_not_tried_again_gives_the_lease_back(server: Any, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run_stage(server, error)
    assert holder_of(Cluster(server), "docs", BUILD) is None


@pytest.mark.parametrize(
    "error",
    [UnavailableError("Dask", 10, "no worker"), LoadError("airlsh-docs-b1", "load", "was cancelled"), OSError("?")],
    ids=lambda error: type(error).__name__,
)
def test_a_stage_that_may_be_tried_again_keeps_the_lease(server: Any, error: Exception) -> None:
    with pytest.raises(type(error)):
        run_stage(server, error)
    assert holder_of(Cluster(server), "docs", BUILD) is not None


def test_a_fault_that_nobody_foresaw_is_not_tried_again(server: Any) -> None:
    with pytest.raises(UnexpectedError):
        run_stage(server, ValueError("?"))
    assert holder_of(Cluster(server), "docs", BUILD) is None


@pytest.mark.parametrize("identity", ["run", None])
def test_the_summary_gives_the_lease_back_whoever_ran_the_stages(server: Any, identity: str | None) -> None:
    run_stage(server, None, identity)
    assert holder_of(Cluster(server), "docs", BUILD) is not None
    summarise(SETTINGS, "b1", Services(server, None, Caller(identity, "a run")))
    assert holder_of(Cluster(server), "docs", BUILD) is None


def test_the_summary_gives_the_lease_back_of_a_run_without_a_record(server: Any) -> None:
    with pytest.raises(AirlshError):
        run_stage(server, UnavailableError("Dask", 10, "no worker"))
    BuildRecords(Cluster(server)).forget("b1")
    with pytest.raises(NotFoundError):
        summarise(SETTINGS, "b1", Services(server, None, Caller("run", "a run")))
    assert holder_of(Cluster(server), "docs", BUILD) is None
