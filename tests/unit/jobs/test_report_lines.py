"""Results of verbs as lines of text."""

from __future__ import annotations

from dataclasses import replace

from lsh_core.builds.alias_moves import AliasMove
from lsh_core.builds.records import BuildState
from lsh_core.jobs import report_lines
from lsh_core.jobs.builds import BuildSummary
from lsh_core.jobs.changes import DeleteReport, UpsertReport
from lsh_core.jobs.refresh import RefreshReport
from lsh_core.jobs.retention import RetireReport
from lsh_core.models.store import StoredModel

BUILD = BuildSummary(
    name="docs",
    build="b1",
    index="airlsh-docs-b1",
    state=BuildState.VERIFIED,
    live=True,
    model_id="docs-1",
    documents=1_234,
    started_at="2026-11-20",
    finished_at=None,
)


def test_a_table_lines_up_under_its_header() -> None:
    lines = report_lines.table_lines(("name", "rows"), [("a-long-name", "1"), ("b", "1,000")], right=("rows",))
    assert list(lines) == ["name          rows", "a-long-name      1", "b            1,000"]
    assert list(report_lines.table_lines(("name",), [])) == []


def test_builds_are_a_table() -> None:
    failed = replace(BUILD, build="b2", state=BuildState.FAILED, live=False, documents=None)
    assert list(report_lines.builds([BUILD, failed])) == [
        "name  build  state     live  documents  model",
        "docs  b1     verified  live      1,234  docs-1",
        "docs  b2     failed                  -  docs-1",
    ]


def test_models_are_a_table() -> None:
    model = StoredModel("docs-1", "docs", "f0", "ivf", "l2", 8, "2026-11-20", {}, (), {})
    assert list(report_lines.models([model]))[1] == "docs-1    ivf    l2         8  2026-11-20"


def test_an_alias_that_moved() -> None:
    moved = AliasMove(alias="docs", build="b1", previous_index=None, live="airlsh-docs-b1")
    assert list(report_lines.moved(moved)) == ["docs: nothing -> airlsh-docs-b1"]


def test_builds_that_were_retired_and_skipped() -> None:
    result = RetireReport(name="docs", retired=["b1"], kept=["b2", "b3"], skipped={"b4": "is live"})
    assert list(report_lines.retired(result)) == ["retired 1 builds, kept 2", "  b1", "skipped b4: is live"]


def test_created_replaced_and_missing_documents_are_told_apart() -> None:
    written = UpsertReport(
        source_format="parquet",
        source_version=None,
        left_out=0,
        left_out_names=[],
        name="docs",
        build="b1",
        upserted=3,
        created=1,
        replaced=2,
    )
    assert list(report_lines.upserted(written)) == ["docs: 3 rows written (1 created, 2 replaced), live in build b1"]
    gone = DeleteReport(name="docs", build="b1", deleted=0, missing=1)
    assert list(report_lines.deleted(gone)) == ["docs: 0 documents deleted from build b1; 1 id was not there"]
    both = replace(gone, deleted=1, missing=2)
    assert list(report_lines.deleted(both)) == ["docs: 1 document deleted from build b1; 2 ids were not there"]
    assert list(report_lines.deleted(replace(gone, deleted=2, missing=0))) == [
        "docs: 2 documents deleted from build b1"
    ]


def test_a_partition_that_did_not_change() -> None:
    result = RefreshReport(
        name="docs",
        partition="day=1",
        build="b1",
        generation=1,
        rows=3,
        upserted=3,
        deleted=1,
        unchanged=False,
        seconds=1.0,
    )
    (line,) = report_lines.refreshed(result)
    assert line == "docs, partition day=1: 3 documents written, 1 deleted, live in build b1"
    (line,) = report_lines.refreshed(replace(result, unchanged=True))
    assert "nothing to do" in line
