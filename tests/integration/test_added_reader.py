"""A source of a kind that a package adds is trained on, loaded, resumed, searched, refreshed and evaluated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller
from lsh_core.errors import SourceChangedError
from lsh_core.jobs import index as stages
from lsh_core.jobs.evaluate import evaluate
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.index import resumed_settings
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.refresh import refresh
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import EvaluateSettings, IndexSettings, RefreshSettings, TrainSettings
from tests.fakes.installed_packages import installed_reader
from tests.fakes.parquet_sources import clustered
from tests.integration.test_resume import SUBMIT, _entries, _stop_load, _wait_for_chunks

ROWS, DIMS = 3_000, 24
DAYS = (1, 2)
NAME = "arrays"


@pytest.fixture(scope="module")
def services(one_node: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The node, and Dask workers that were started where the package is installed."""
    with (
        installed_reader("npy_source"),
        DaskCluster(workers=2, folder=tmp_path_factory.mktemp("dask")) as dask,
    ):
        yield Services(Connection(tuple(one_node.urls)), dask.address)


def write_day(folder: Path, day: int, *, ids: np.ndarray | None = None) -> np.ndarray:
    """Write the arrays of one day; return its vectors."""
    vectors = clustered(ROWS, DIMS, seed=day)
    target = folder / f"day={day}"
    target.mkdir(exist_ok=True)
    np.save(target / "rows.npy", vectors)
    np.save(target / "rows.ids.npy", np.array([f"{day}-{row}" for row in range(ROWS)]) if ids is None else ids)
    return vectors


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrays")
    for day in DAYS:
        write_day(folder, day)
    return folder


@pytest.fixture(scope="module")
def indexed(services: Services, source: Path) -> IndexReport:
    """The report of a build whose submitter was killed after some chunks, and which was resumed."""
    train(TrainSettings(name=NAME, source=str(source), model="ivf", metric="l2"), services)
    settings = IndexSettings(name=NAME, source=str(source), chunk_rows=200, request_bytes=1024)
    build = f"{NAME}-1"
    arguments = (services.connection.urls[0], str(services.dask), settings.model_dump_json(), build)
    process = subprocess.Popen([sys.executable, "-c", SUBMIT, *arguments])
    try:
        _wait_for_chunks(services, build, 3)
    finally:
        process.kill()
        process.wait()
    _stop_load(services, build)
    before = _entries(services, build)
    assert 3 <= len(before) < len(DAYS) * ROWS // 200
    report = run_index(resumed_settings(NAME, build, {}, services), services, build)
    after = _entries(services, build)
    assert {chunk: after[chunk] for chunk in before} == before, "a chunk in the ledger was sent again"
    assert report.skipped >= len(before) * 150
    return report


def test_a_killed_load_is_resumed_and_every_row_is_found(
    services: Services, indexed: IndexReport, source: Path
) -> None:
    assert indexed.promoted
    assert (indexed.documents, indexed.dead_lettered) == (len(DAYS) * ROWS, 0)
    index = VectorIndex(NAME, services.connection)
    for day in DAYS:
        vectors = np.load(source / f"day={day}" / "rows.npy")
        for row in (0, 1_234, ROWS - 1):
            assert index.search(vectors[row], k=5).ids[0] == f"{day}-{row}"
    measured = evaluate(EvaluateSettings(name=NAME, rows=50), services)
    assert measured.recall > 0.8


def test_a_file_that_changed_after_planning_is_refused(services: Services, indexed: IndexReport, source: Path) -> None:
    assert indexed.promoted
    settings, build = IndexSettings(name=NAME, source=str(source), chunk_rows=200), f"{NAME}-2"
    own = replace(services, caller=Caller("the run", "the run"))
    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, own)
    ids = np.array([f"2-{row}" for row in range(ROWS)])
    write_day(source, 2, ids=ids[::-1])  # The ids alone: the matrix is the same.
    with pytest.raises(SourceChangedError, match=r"day=2/rows\.npy"):
        stages.load(settings, build, own)


def test_a_partition_becomes_what_its_arrays_are(services: Services, indexed: IndexReport, source: Path) -> None:
    assert indexed.promoted
    write_day(source, 1, ids=np.array([f"1-{row}" for row in range(ROWS - 1)] + ["fresh"]))
    report = refresh(RefreshSettings(name=NAME, source=str(source), partition="day=1"), services)
    assert (report.upserted, report.deleted) == (ROWS, 1)
    vector = np.load(source / "day=1" / "rows.npy")[ROWS - 1]
    assert VectorIndex(NAME, services.connection).search(vector, k=1).ids == ["fresh"]
