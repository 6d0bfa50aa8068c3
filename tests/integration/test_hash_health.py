"""The figures of tokens on a real node, against what the model says of the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.evaluation import token_counts
from lsh_core.evaluation.build_health import measure_health
from lsh_core.evaluation.token_counts import count_tokens
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.models.effort import Effort
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 3_000, 16
SAME = 1_000
"""Rows that have one vector."""
VECTORS = clustered(ROWS, DIMS)
VECTORS[:SAME] = VECTORS[0]
VECTORS[-300:] = VECTORS[0] + VECTORS[-300:] / 1_000  # They are in the same lists, and not the same.


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def indexed(services: Services, folder: Path, model: str, **knobs: Any) -> IndexReport:
    source = write_source(folder / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS)
    name = f"healthy-{model}"
    train(TrainSettings(name=name, source=source, metric="l2", model=model, **knobs), services)
    return run_index(IndexSettings(name=name, source=source, shards=3, recall_queries=40), services)


def test_every_list_is_counted_in_what_is_live_now(services: Services, tmp_path: Path) -> None:
    report = indexed(services, tmp_path, "ivf", lists=60, spill=2)
    (warning,) = report.warnings
    said = int(warning["what"].split("About ")[1].split(" rows have the same vector")[0].replace(",", ""))
    assert said == pytest.approx(SAME, rel=0.1)
    assert f"holds {SAME:,} rows" not in warning["what"]

    index = VectorIndex("healthy-ivf", services.connection)
    moved = clustered(50, DIMS, seed=5)
    index.upsert([{"id": f"r{SAME + row}", "embedding": moved[row].tolist()} for row in range(50)])
    index.delete([f"r{row}" for row in range(SAME + 50, SAME + 350)])
    client = services.connection.client()
    services.cluster.refresh(index.build.index)
    left = np.concatenate([VECTORS[:SAME], moved, VECTORS[SAME + 350 :]])
    assert services.cluster.count(index.build.index) == len(left)

    model = index.build.model
    words = index.build.field.tokens.words(np.arange(60))
    hits = client.search(index=index.build.index, size=10_000)["hits"]["hits"]
    stored = [hit["_source"]["airlsh"]["tokens"]["embedding"] for hit in hits]
    assert len(stored) == len(left)
    tokens = np.array([[words.index(word) for word in row] for row in stored])
    rows_of = np.bincount(tokens.ravel(), minlength=60)
    # Lists that are as near as each other to repeated rows may change places where rows are hashed together.
    differ = np.abs(np.bincount(model.encode(left).tokens.ravel(), minlength=60) - rows_of).sum()
    assert differ <= 0.02 * rows_of.sum()
    counts = count_tokens(services.cluster, index.build, len(left))
    assert dict(zip(counts.words, counts.sizes.tolist(), strict=True)) == {
        word: rows for word, rows in zip(words, rows_of.tolist(), strict=True) if rows
    }

    health = measure_health(services.cluster, index.build, effort=Effort("probes", 5), queries=moved)
    assert health is not None
    shares = rows_of[rows_of > 0] / rows_of.sum()
    assert (health.possible, health.used, health.sampled_rows) == (60, len(shares), None)
    assert health.entropy == pytest.approx(-(shares * np.log(shares)).sum() / np.log(60), abs=1e-5)
    assert health.sizes == np.sort(rows_of[rows_of > 0])[::-1].tolist()
    assert health.largest[0].rows == rows_of.max() >= SAME
    assert len(health.hot) == 2
    met = [np.isin(tokens, probed).any(axis=1).mean() for probed in model.probe(moved, 5)]
    assert health.touched == pytest.approx(np.mean(met), abs=1e-5)
    assert measure_health(services.cluster, index.build, effort=None).touched == 1.0  # type: ignore[union-attr]


def test_rows_tell_of_more_tokens_than_are_counted(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(services, tmp_path, "hyperplane", tables=20, bits=6)
    index = VectorIndex("healthy-hyperplane", services.connection)
    rows_of = np.bincount(index.build.model.encode(VECTORS).tokens.ravel(), minlength=20 << 6)
    whole = count_tokens(services.cluster, index.build, ROWS)
    assert whole.sizes.tolist() == rows_of[rows_of > 0].tolist()

    monkeypatch.setattr(token_counts, "MAX_COUNTED", 1_000)
    monkeypatch.setattr(token_counts, "_SAMPLED_ENTRIES", 20 * 400)
    some = count_tokens(services.cluster, index.build, ROWS)
    assert some.sampled_rows == 400
    assert 100 < len(some.words) < len(whole.words)
    exact = dict(zip(whole.words, whole.sizes.tolist(), strict=True))
    assert all(exact[word] == size for word, size in zip(some.words, some.sizes.tolist(), strict=True))
    assert some.weights.sum() == pytest.approx(len(whole.words), rel=0.15)
