"""Records of builds: found, read as types, refused where another version wrote them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lsh_core.builds.alias_moves import AliasMove, AliasMoves
from lsh_core.builds.journal_position import JournalPosition, SourceWatermark
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState
from lsh_core.builds.stage_facts import LoadFacts, RowAccounts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import RUNS
from lsh_core.errors import NotFoundError, SettingsError
from lsh_core.live.watermark import record_deleted
from tests.fakes.memory_server import MemoryServer


@pytest.fixture
def server() -> Any:
    return MemoryServer()


def test_what_is_kept_beside_the_builds_is_none(server: Any) -> None:
    runs = BuildRecords(Cluster(server))
    record_deleted(Cluster(server), "docs", SourceWatermark("2026-01-01T00:00:00.000+00:00", JournalPosition(7)))
    AliasMoves(Cluster(server)).write("run 1", replace(AliasMove("docs", "b1", None), live="airlsh-docs-b1"))
    others = {id for _, id in server.documents}
    assert {id.partition("/")[0] for id in others} == {"watermark", "move"}
    for each in [*others, "", "b1"]:
        with pytest.raises(NotFoundError, match="airlsh builds list docs"):
            runs.get("docs", each)
    with pytest.raises(NotFoundError, match="nothing was indexed"):
        runs.latest("docs")


def test_a_build_is_found_by_its_name_only(server: Any) -> None:
    runs = BuildRecords(Cluster(server))
    for build in ("b1", "b2"):
        runs.start("docs", build, index=build, model_id="m")
        server.update(index=RUNS, id=build, doc={"started_at": f"2026-01-0{build[1]}T00:00:00+00:00"})
    assert runs.get("docs", "b1").index == "b1"
    assert runs.find("other", "b1") is None
    assert runs.latest("docs").build == "b2"


def test_an_evaluation_keeps_nothing_of_the_earlier_one(server: Any) -> None:
    runs = BuildRecords(Cluster(server))
    runs.start("docs", "b1", index="b1", model_id="m")
    runs.record_evaluation("b1", {"recall_at": {"1": 1.0, "7": 0.9}})
    runs.record_evaluation("b1", {"recall_at": {"1": 0.8}})
    assert runs.get("docs", "b1").evaluation == {"recall_at": {"1": 0.8}}


def test_a_record_is_read_as_it_was_written(server: Any) -> None:
    runs = BuildRecords(Cluster(server))
    watermark = SourceWatermark("2026-01-01T00:00:00.000+00:00", JournalPosition(7))
    runs.start(
        "docs", "b1", index="i", model_id="m", expected_live="before", watermark=watermark, settings={"name": "docs"}
    )
    load = LoadFacts(rows_read=3, skipped=1, chunks=2, adopted=False, seconds=1.5)
    runs.record_stage("b1", "load", load)
    runs.record_accounts("b1", RowAccounts(rows_read=4, accepted=4))
    runs.record_plan("b1", {"files": [{"url": "a"}, {"url": "b"}]}, JournalPosition(5))
    runs.record_replay("b1", JournalPosition(9))
    runs.record_failure("b1", "it broke", keep_state=False)
    record = runs.get("docs", "b1")
    assert (record.state, record.error, record.expected_live) == (BuildState.FAILED, "it broke", "before")
    assert (record.watermark, record.planned_at, record.replayed_to) == (watermark, 5, 9)
    assert record.stages.load == load
    assert record.stages.verify is not None
    assert record.stages.verify.outcomes == (4, 0, 0, 0)
    assert record.stages.seconds == {"load": 1.5}
    assert record.source_files == ["a", "b"]
    assert BuildRecord.from_document(record.to_document()).to_document() == record.to_document()
    runs.record_failure("b1", "it broke again", keep_state=True)
    assert runs.get("docs", "b1").state is BuildState.FAILED


def test_a_verified_build_keeps_its_state_while_a_run_repeats_its_stages(server: Any) -> None:
    runs = BuildRecords(Cluster(server))
    runs.start("docs", "b1", index="i", model_id="m")
    runs.advance("docs", "b1", BuildState.LOADING)
    assert runs.get("docs", "b1").state is BuildState.LOADING
    runs.record_verified("b1", None)
    runs.advance("docs", "b1", BuildState.LOADED)
    assert runs.get("docs", "b1").state is BuildState.VERIFIED


@pytest.mark.parametrize(
    "change",
    [{"format": 0}, {"state": "settled"}, {"watermark": {"upto": 3}}, {"stages": {"load": {"rows_read": 1}}}],
)
def test_a_record_of_another_version_is_refused_in_a_sentence(server: Any, change: dict[str, Any]) -> None:
    runs = BuildRecords(Cluster(server))
    runs.start("docs", "b1", index="airlsh-docs-b1", model_id="m")
    server.update(index=RUNS, id="b1", doc=change)
    for read in (lambda: runs.get("docs", "b1"), lambda: runs.of("docs")):
        with pytest.raises(SettingsError, match=r"another version of airlsh wrote its record .*airlsh-docs-b1"):
            read()
