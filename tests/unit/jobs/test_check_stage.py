"""The check stage looks at other builds before it looks at the source."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Caller
from lsh_core.errors import PromotionConflictError, SourceError
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.check import check
from lsh_core.settings import IndexSettings
from tests.fakes.memory_builds import make_build
from tests.fakes.memory_server import MemoryServer


def run_check(server: Any, build: str, *, promote: bool = True) -> None:
    """Check a build whose source is not there: with that the stage ends, if with nothing before."""
    settings = IndexSettings(name="docs", source="/nowhere/rows.parquet", promote=promote)
    check(settings, build, Services(server, None, Caller("run", "a run")))


@pytest.fixture
def server() -> Any:
    """A server with the builds b1 and b2, both planned when nothing was live; b2 is live now."""
    made: Any = MemoryServer()
    make_build(made, "docs", "b1", {"a": 0})
    make_build(made, "docs", "b2", {"a": 0}, aliases=["docs"])
    return made


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        (
            BuildState.VERIFIED,
            "Build b1 is verified. If it is to replace what is live now: airlsh builds promote docs --build b1",
        ),
        (BuildState.LOADED, "airlsh index docs --resume b1 --no-promote; then: airlsh builds promote docs --build b1"),
    ],
)
def test_a_promotion_that_would_be_refused_is_refused_at_once(server: Any, state: BuildState, remedy: str) -> None:
    BuildRecords(Cluster(server)).record_state("b1", state)
    with pytest.raises(PromotionConflictError) as refused:
        run_check(server, "b1")
    assert str(refused.value) == (
        "alias docs: leads to b2, which was promoted after this run was planned; "
        "this run was planned when it led to nothing"
    )
    assert refused.value.__notes__[0].endswith(remedy)


@pytest.mark.parametrize(("build", "promote"), [("b1", False), ("b2", True), ("b3", True)])
def test_other_runs_go_on_to_their_source(server: Any, build: str, promote: bool) -> None:
    with pytest.raises(SourceError, match="no such file"):
        run_check(server, build, promote=promote)


def test_a_new_build_names_those_that_were_not_finished(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    BuildRecords(Cluster(server)).record_state("b1", BuildState.FAILED)
    with caplog.at_level(logging.WARNING), pytest.raises(SourceError):
        run_check(server, "b3")
    (told,) = (each.getMessage() for each in caplog.records if "unfinished" in each.getMessage())
    assert told == (
        "docs has unfinished builds: b1 (failed); `airlsh index docs --resume b1` resumes one, "
        "`airlsh builds abandon docs --build b1` deletes it"
    )
