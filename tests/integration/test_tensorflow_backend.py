"""A model that hashes with TensorFlow, from training to a live change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.integration.made_sources import clustered, write_source

ROWS, DIMS = 3_000, 16
VECTORS = clustered(ROWS, DIMS)


@pytest.mark.parametrize("model", ["ivf", "hyperplane"])
def test_rows_are_hashed_as_the_model_says(one_node: Any, dask_cluster: Any, tmp_path: Path, model: str) -> None:
    services = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    name = f"by-tensorflow-{model}"
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS)
    trained = train(TrainSettings(name=name, source=source, model=model, hash_backend="tensorflow"), services)
    assert trained["hash_backend"] == "tensorflow"
    report = run_index(IndexSettings(name=name, source=source, recall_queries=200), services)
    assert report["accepted"] == ROWS
    assert report["recall_low"] >= 0.95
    index = VectorIndex(services.connection, name)
    assert index.build.model.backend_ == "tensorflow"
    moved = (VECTORS[5] * 3).tolist()
    index.upsert([{"id": "new", "embedding": moved}], refresh=True)
    assert "new" in index.search(VECTORS[5], k=3, fields=()).ids
