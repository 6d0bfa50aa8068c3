"""A large index is compared with queries by the workers, a slice each, as one process would do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.builds.id_hashes import digests
from lsh_core.elastic.connection import Connection
from lsh_core.evaluation.ground_truth import nearest_in_index, true_neighbours
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.jobs.dask.sliced_scan import SlicedScan, sliced_scan
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 4_000, 12


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.mark.parametrize("shards", [1, 3])
def test_slices_find_the_neighbours_that_one_scan_finds(services: Services, tmp_path: Path, shards: int) -> None:
    vectors = clustered(ROWS, DIMS)
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(ROWS)], vectors)
    name = f"sliced-{shards}"
    train(TrainSettings(name=name, source=source, metric="l2"), services)
    run_index(IndexSettings(name=name, source=source, shards=shards), services)
    build = VectorIndex(name, services.connection).build
    queries = QuerySet(vectors[:50], tuple(f"r{row}" for row in range(50)))
    scans = SlicedScan(services, min_rows=1), nearest_in_index
    sliced, whole = (
        true_neighbours(services.cluster, build.index, build.field, queries, 10, rows=ROWS, scan=scan) for scan in scans
    )
    np.testing.assert_array_equal(sliced.distances, whole.distances)
    for one, other in zip(sliced.id_hashes, whole.id_hashes, strict=True):
        assert set(digests(one)) == set(digests(other))


def test_a_scheduler_that_is_not_given_is_not_started(services: Services) -> None:
    assert sliced_scan(services) == SlicedScan(services)
    assert sliced_scan(Services(services.connection)) is nearest_in_index
