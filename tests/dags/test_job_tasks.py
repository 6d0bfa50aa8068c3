"""Which build a task works on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lsh_airflow.job_tasks import run_stage
from lsh_core.settings import IndexSettings

STARTED = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


def build_of(source: Path, *, dag_id: str = "index_vectors", run_id: str = "manual__1", at: datetime = STARTED) -> str:
    """Return the build that a stage is called with."""

    def stage(settings: IndexSettings, build: str, services: object) -> dict[str, Any]:
        return {"build": build}

    run = SimpleNamespace(dag_id=dag_id, run_id=run_id, run_after=at, start_date=datetime.now(UTC))
    build: str = run_stage(stage, {"dag_run": run, "params": {"name": "docs", "source": str(source)}})["build"]
    return build


@pytest.fixture
def source(connections: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    return tmp_path / "docs.parquet"


def test_a_run_that_is_tried_again_or_cleared_keeps_its_build(source: Path) -> None:
    assert build_of(source) == build_of(source)


def test_every_run_has_a_build_of_its_own(source: Path) -> None:
    others = [build_of(source, run_id="manual__2"), build_of(source, dag_id="nightly")]
    assert len({build_of(source), *others}) == 3
