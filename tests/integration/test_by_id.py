"""Neighbours of a stored row: by the recipe of the README, and by `VectorIndex.search`."""

from __future__ import annotations

import functools
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import write_source

ROWS, DIMS, K = 6_000, 16, 10
VECTORS = np.random.default_rng(3).normal(size=(ROWS, DIMS)).astype(np.float32)  # Harder than clusters.
ASKED = range(0, ROWS, 30)
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("by-id")


@functools.cache
def indexed(services: Services, folder: Path, metric: str, model: str, shards: int) -> VectorIndex:
    name = f"by-id-{model}-{metric}"
    source = write_source(folder / f"{name}.parquet", [f"r {row}/ä" for row in range(ROWS)], VECTORS)
    options: dict[str, Any] = {"lists": 600, "spill": 2} if model == "ivf" else {"tables": 20}
    train(TrainSettings(name=name, source=source, metric=metric, model=model, **options), services)
    run_index(IndexSettings(name=name, source=source, shards=shards, recall_queries=200), services)
    return VectorIndex(name, services.connection)


def recall(found: list[list[str]], metric: str) -> float:
    exact, _ = exact_neighbours(VECTORS, VECTORS[list(ASKED)], K + 1, metric)
    shares = [
        len({f"r {each}/ä" for each in true if each != row} & set(ids)) / K
        for row, true, ids in zip(ASKED, exact[:, : K + 1].tolist(), found, strict=True)
    ]
    return float(np.mean(shares))


def recipe(name: str, identity: str) -> dict[str, Any]:
    """Return the body that the README sends, for another index and row."""
    found = re.search(r"curl -s \S+/packages/_search .*? -d '(.*?)'\n", README.read_text(), re.DOTALL)
    assert found is not None
    text = found[1].replace('"packages"', json.dumps(name)).replace('"gimp"', json.dumps(identity))
    return {**json.loads(text), "size": K, "_source": False}


def ask_by_http(url: str, name: str, identity: str) -> list[str]:
    body = json.dumps(recipe(name, identity)).encode()
    request = urllib.request.Request(f"{url}/{name}/_search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [hit["_id"] for hit in json.load(answer)["hits"]["hits"]]


@pytest.mark.parametrize(("metric", "shards"), [("l2", 1), ("cosine", 3), ("dot", 1)])
def test_the_recipe_finds_what_as_many_lists_hold(services: Services, folder: Path, metric: str, shards: int) -> None:
    searcher = indexed(services, folder, metric, "ivf", shards)
    near = searcher.build.field.strategy.lookup_lists
    assert near == 16
    normal = []
    for row, answer in zip(ASKED, searcher.search_many(VECTORS[list(ASKED)], k=K + 1, probes=near), strict=True):
        normal.append([each for each in answer.ids if each != f"r {row}/ä"][:K])
    url = services.connection.urls[0]
    by_http = [ask_by_http(url, f"by-id-ivf-{metric}", f"r {row}/ä") for row in ASKED]
    assert all(len(ids) == K and f"r {row}/ä" not in ids for row, ids in zip(ASKED, by_http, strict=True))
    assert recall(by_http, metric) >= recall(normal, metric) - 0.02
    assert 0.5 < recall(normal, metric) < 1.0  # Or it would say nothing of the lists.


@pytest.mark.parametrize("model", ["ivf", "hyperplane"])
def test_by_id_as_much_is_found_as_by_vector(services: Services, folder: Path, model: str) -> None:
    searcher = indexed(services, folder, "cosine", model, 3)
    for target in (0.9, 0.99):
        found = [searcher.search(id=f"r {row}/ä", k=K, recall=target, fields=()).ids for row in ASKED]
        assert all(len(ids) == K for ids in found)
        assert recall(found, "cosine") >= target - 0.01
