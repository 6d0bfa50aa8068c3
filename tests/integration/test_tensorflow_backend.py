"""A model that hashes with TensorFlow, from training to a live change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import MissingPackageError
from lsh_core.jobs.builds import list_builds, show_build
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 3_000, 16
VECTORS = clustered(ROWS, DIMS)


@pytest.mark.parametrize("model", ["ivf", "hyperplane"])
def test_rows_are_hashed_as_the_model_says(one_node: Any, dask_cluster: Any, tmp_path: Path, model: str) -> None:
    services = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    name = f"by-tensorflow-{model}"
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS)
    trained = train(TrainSettings(name=name, source=source, model=model, hash_backend="tensorflow"), services)
    assert trained.hash_backend == "tensorflow"
    report = run_index(IndexSettings(name=name, source=source, recall_queries=200), services)
    assert report.accepted == ROWS
    assert report.recall_low >= 0.95
    index = VectorIndex(name, services.connection)
    assert index.build.model.backend_ == "tensorflow"
    moved = (VECTORS[5] * 3).tolist()
    index.upsert([{"id": "new", "embedding": moved}], refresh=True)
    assert "new" in index.search(VECTORS[5], k=3, fields=()).ids


def test_a_worker_without_tensorflow_is_found_before_there_is_an_index(
    one_node: Any, dask_cluster: Any, tmp_path: Path
) -> None:
    services = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    name = "lacks-tensorflow"
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(500)], VECTORS[:500])
    model_id = train(TrainSettings(name=name, source=source, hash_backend="tensorflow"), services).model_id
    needs = rf"^model {model_id}, on each Dask worker, needs the package tensorflow, .*pip install 'airlsh\[features\]'"
    with one_without_tensorflow(dask_cluster.address), pytest.raises(MissingPackageError, match=needs):
        run_index(IndexSettings(name=name, source=source), services)
    assert services.connection.client().indices.get(index=f"airlsh-{name}-*").body == {}
    (build,) = list_builds(name, services)
    assert build.state == "failed"
    record = show_build(name, build.build, services).record
    assert list(record.stages.to_json()) == ["check"]
    assert model_id in str(record.error)


@contextmanager
def one_without_tensorflow(address: str) -> Iterator[None]:
    """One of the Dask workers cannot find TensorFlow meanwhile."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        lacking, *_ = client.scheduler_info(n_workers=-1)["workers"]
        client.run(hide_tensorflow, workers=[lacking])
        try:
            yield
        finally:
            client.run(show_tensorflow, workers=[lacking])


def hide_tensorflow() -> None:
    modules: dict[str, Any] = sys.modules
    modules["hidden tensorflow"], modules["tensorflow"] = modules.get("tensorflow"), None


def show_tensorflow() -> None:
    modules: dict[str, Any] = sys.modules
    del modules["tensorflow"]
    if (hidden := modules.pop("hidden tensorflow")) is not None:
        modules["tensorflow"] = hidden
