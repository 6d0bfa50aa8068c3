"""Which builds are deleted, which are kept, and which are left for somebody to look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lsh_core.builds.mapping import META_KEY
from lsh_core.builds.names import closed_alias, physical_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.builds.write_fence import allow_writes, fence_writes
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import ALIAS, BUILD, Caller, hold
from lsh_core.elastic.system_indices import DEAD_LETTERS, LEDGER, QUERIES, RUNS, ensure_system_index
from lsh_core.errors import LeaseHeldError, NotFoundError, OutcomeError, PromotionConflictError
from lsh_core.jobs import retention
from lsh_core.jobs.retention import RetireReport, abandon, retire, retire_all
from lsh_core.jobs.services import Services
from lsh_core.loading.dead_letters import write_dead_letters
from lsh_core.loading.source_queries import SourceQueries, store_queries
from lsh_core.settings import AbandonSettings, RetireSettings
from lsh_core.sources.dead_letter import DeadLetter
from tests.fakes.memory_server import MemoryServer

NAME = "docs"
AGES_AGO = "2020-01-01T00:00:00.000+00:00"


def dead_letter(build: str, row: int, expires_at: str, replayed_at: str | None = None) -> DeadLetter:
    return DeadLetter(
        build=build,
        source="a.parquet",
        row=row,
        row_number=row,
        id="id",
        error="nan",
        reason="why",
        expires_at=expires_at,
        replayed_at=replayed_at,
    )


class Made:
    """A server with some builds of one name, the oldest first."""

    def __init__(self) -> None:
        self.server: Any = MemoryServer()
        for index in (LEDGER, QUERIES, DEAD_LETTERS):
            ensure_system_index(Cluster(self.server), index)
        self.services = Services(self.server, None, Caller(None, "the tests"))

    def build(
        self, build: str, *, state: BuildState = BuildState.VERIFIED, live: bool = False, own: bool = True
    ) -> str:
        index = physical_index(NAME, build)
        meta = {"name": NAME if own else "other", "build": build}
        aliases = [closed_alias(build, 0), *([NAME] if live else [])]
        self.server.create(index=index, aliases=aliases, mappings={"_meta": {META_KEY: meta}})
        letter = dead_letter(build, 1, "2999-01-01T00:00:00+00:00", AGES_AGO)
        write_dead_letters(Cluster(self.server), [letter])
        self.server.index(index=LEDGER, id=f"{build}:1", document={"build": build, "finished_at": AGES_AGO})
        queries = SourceQueries(np.array([1]), ("id",), np.ones((1, 2), np.float32))
        store_queries(Cluster(self.server), build, queries)
        runs = BuildRecords(Cluster(self.server))
        runs.start(NAME, build, index=index, state=state, model_id="m")
        old = {"started_at": f"2020-01-01T00:00:0{build}+00:00", "updated_at": AGES_AGO}
        self.server.update(index=RUNS, id=build, doc=old)
        return index

    def refuse_a_row(self, build: str, expires_at: str = "2999-01-01T00:00:00+00:00") -> None:
        letter = dead_letter(build, 2, expires_at)
        write_dead_letters(Cluster(self.server), [letter])

    def retire(self, **settings: Any) -> RetireReport:
        return retire(RetireSettings(name=NAME, keep=1, **settings), self.services)

    def left(self) -> set[str]:
        """Return the builds of which there is an index, a record, a ledger entry, queries and a dead letter."""
        records = {record.build for record in BuildRecords(Cluster(self.server)).of(NAME)}
        kept = {
            index: {
                stored.source["build"]
                for (at, _), stored in self.server.documents.items()
                if at == index and stored.source
            }
            for index in (LEDGER, QUERIES, DEAD_LETTERS)
        }
        indices = {index.rpartition("-")[2] for index in self.server.aliases if index.startswith("airlsh-docs-")}
        assert records == indices == kept[LEDGER] == kept[QUERIES] == kept[DEAD_LETTERS]
        return records


@pytest.fixture
def made() -> Made:
    return Made()


def test_the_live_build_and_the_newest_verified_are_kept(made: Made) -> None:
    for build in "1234":
        made.build(build, live=build == "2")
    made.build("5", state=BuildState.FAILED)
    assert made.retire() == RetireReport(name=NAME, retired=["5", "3", "1"], kept=["4", "2"])
    assert made.left() == {"2", "4"}


def test_what_was_touched_a_short_while_ago_is_kept(made: Made) -> None:
    for build in "123":
        made.build(build, live=build == "3")
    BuildRecords(Cluster(made.server)).record_state("1", BuildState.VERIFIED)  # Notes the time.
    assert made.retire().kept == ["3", "2", "1"]
    assert made.retire(grace_seconds=0).retired == ["1"]


def test_an_unfinished_build_is_kept_for_a_day_after_the_last_sign_of_its_run(made: Made) -> None:
    for build, state in (
        ("1", BuildState.LOADING),
        ("2", BuildState.FAILED),
        ("3", BuildState.LOADING),
        ("4", BuildState.VERIFIED),
    ):
        made.build(build, state=state, live=build == "4")
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    BuildRecords(Cluster(made.server)).record_state("1", BuildState.LOADING)
    made.server.index(index=LEDGER, id="2:2", document={"build": "2", "finished_at": an_hour_ago})  # By a worker.
    assert made.retire(grace_seconds=0).kept == ["4", "2", "1"]
    assert made.retire(unfinished_grace_seconds=3_000).retired == ["2"]
    assert made.retire(unfinished_grace_seconds=0).retired == ["1"]


def test_the_latest_build_is_kept_while_it_has_dead_letters_to_replay(made: Made) -> None:
    made.build("1", live=True)
    for build in "23":
        made.build(build, state=BuildState.FAILED)
        made.refuse_a_row(build)
    assert made.retire(unfinished_grace_seconds=0).retired == ["2"]
    made.refuse_a_row("3", expires_at="2020-01-01T00:00:00+00:00")
    assert made.retire(unfinished_grace_seconds=0).retired == ["3"]


@pytest.mark.parametrize("trouble", ["foreign", "no fence", "a later epoch"])
def test_one_index_that_is_not_what_its_record_says_is_skipped(made: Made, trouble: str) -> None:
    made.build("1")
    index = made.build("2", own=trouble != "foreign")
    made.build("3")
    made.build("4", live=True)
    if trouble == "no fence":
        made.server.aliases[index] = {}
    elif trouble == "a later epoch":
        fence_writes(Cluster(made.server), index, "2", 1000)
    result = made.retire()
    assert (result.retired, result.kept, list(result.skipped)) == (["1"], ["4", "3"], ["2"])
    assert index in result.skipped["2"]
    assert made.left() == {"2", "3", "4"}
    with pytest.raises(OutcomeError, match=r"docs: the run did not .* build 2 \(.*\) not retired; 0 others were"):
        retire_all(RetireSettings(name=NAME, keep=1), made.services)


def test_nothing_is_retired_while_an_index_run_is_at_work_and_that_is_no_failure(made: Made) -> None:
    for build in "123":
        made.build(build, live=build == "3")
    with hold(Cluster(made.server), NAME, BUILD, Caller("run", "an index run")):
        result = made.retire()
    assert not result.retired
    assert "an index run holds the lease 'build'" in result.skipped["*"]
    with hold(Cluster(made.server), NAME, BUILD, Caller("run", "an index run")), pytest.raises(LeaseHeldError):
        retire_all(RetireSettings(name=NAME), made.services)
    assert made.left() == {"1", "2", "3"}


def test_builds_are_left_while_a_promotion_does_not_end(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_LEASE_SECONDS", 0.0)
    for build in "123":
        made.build(build, live=build == "3")
    with hold(Cluster(made.server), NAME, ALIAS, Caller("run", "a promotion")):
        assert "a promotion holds the lease 'alias'" in made.retire().skipped["1"]
    assert made.retire().retired == ["1"]


def test_an_abandoned_build_leaves_nothing_and_its_loaders_no_way(made: Made) -> None:
    index = made.build("1", state=BuildState.FAILED)
    made.build("2", live=True)
    allow_writes(Cluster(made.server), index, "1", 0)
    answer = abandon(AbandonSettings(name=NAME, build="1"), made.services)
    assert answer.to_json() == {"name": NAME, "abandoned": "1", "index": index}
    assert made.left() == {"2"}
    assert made.server.aliases[LEDGER] == {}


def test_what_is_live_or_not_there_is_not_abandoned(made: Made) -> None:
    made.build("1", live=True)
    with pytest.raises(PromotionConflictError, match="build 1 is live"):
        abandon(AbandonSettings(name=NAME, build="1"), made.services)
    with pytest.raises(NotFoundError):
        abandon(AbandonSettings(name=NAME, build="9"), made.services)
    assert made.left() == {"1"}
