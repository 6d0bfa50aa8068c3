"""The truth that is computed while the source is loaded, on a real node with two workers, against a brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.builds.id_hashes import IdHashes, digests, hash_ids
from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.leases import Caller
from lsh_core.evaluation.source_truth import SourceTruth
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs import index as stages
from lsh_core.jobs.dead_letters import replay_dead_letters
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import read_plan
from lsh_core.jobs.stages.source_truth import known_truth, source_neighbours
from lsh_core.jobs.train import train
from lsh_core.live.replay import changed_hashes
from lsh_core.loading.expected_contents import expected_contents
from lsh_core.loading.ledger import Ledger
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import RECALL_NEIGHBOURS, IndexSettings, ReplaySettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS = 6_000, 12


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address, Caller("one run", "the tests"))


def truth_of(settings: IndexSettings, build: str, services: Services) -> tuple[SourceTruth, np.ndarray]:
    """Return what verification knows of the truth, and which queries it is certain of."""
    cluster = services.cluster
    cluster.refresh("airlsh-ledger")
    plan = read_plan(settings, build, services)
    up_to = BuildRecords(cluster).get(settings.name, build).replayed_to
    replaced = IdHashes(changed_hashes(services.cluster, settings.name, up_to=up_to))
    neighbours = source_neighbours(cluster, build, replaced)
    assert neighbours is not None
    entries = Ledger(cluster, ledger_key(cluster, plan, build)).entries(plan.files, plan.chunks())
    expected_contents(
        neighbours.follow(entry for entry in entries if entry is not None),
        replaced=replaced,
        superseded=neighbours.drop,
    )
    truth = known_truth(neighbours, live=len(replaced))
    return truth, truth.known.are_certain(RECALL_NEIGHBOURS)


def check(
    settings: IndexSettings, build: str, services: Services, held: dict[str, np.ndarray], least_certain: float
) -> None:
    """Compare the truth of `build` with a brute force over `held`, the vector of each id."""
    truth, certain = truth_of(settings, build, services)
    assert certain.mean() > least_certain
    index = VectorIndex(settings.name, services.connection, index=read_plan(settings, build, services).index)
    field = index.build.field
    found = truth.complete(services.cluster, index.build.index, field, RECALL_NEIGHBOURS, rows=len(held))
    ids, vectors = list(held), np.array(list(held.values()))
    places = {id: place for place, id in enumerate(ids)}
    assert truth.queries.ids is not None
    assert set(truth.queries.ids) <= set(ids)
    np.testing.assert_array_equal(truth.queries.vectors, vectors[[places[id] for id in truth.queries.ids]])
    rows, distances = exact_neighbours(vectors, truth.queries.vectors, RECALL_NEIGHBOURS + 1, field.metric)
    others = rows != np.array([places[id] for id in truth.queries.ids])[:, None]
    others[others.all(axis=1), RECALL_NEIGHBOURS] = False
    wanted = distances[others].reshape(-1, RECALL_NEIGHBOURS)
    np.testing.assert_allclose(found.distances, wanted, rtol=1e-5, atol=2e-6)
    of_digest = {digest: id for digest, id in zip(digests(hash_ids(ids)), ids, strict=True)}
    for own, hashes in zip(truth.queries.ids, found.id_hashes, strict=True):
        named = [of_digest[digest] for digest in digests(hashes)]
        assert len(set(named)) == RECALL_NEIGHBOURS
        assert own not in named


def drop_entries(services: Services, build: str, chunks: range) -> None:
    """Delete ledger entries, as if the loader had died before it wrote them."""
    client = services.connection.client()
    client.indices.refresh(index="airlsh-ledger")
    wanted = {"bool": {"filter": [{"term": {"build": build}}, {"terms": {"chunk": list(chunks)}}]}}
    hits = client.search(index="airlsh-ledger", query=wanted, source=False, size=1_000)["hits"]["hits"]
    assert len(hits) == len(chunks)
    client.bulk(index="airlsh-ledger", operations=[{"delete": {"_id": hit["_id"]}} for hit in hits], refresh=True)


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_repeated_ids_refusals_a_resume_and_live_changes(services: Services, tmp_path: Path, metric: str) -> None:
    generator = np.random.default_rng(5)
    ids: list[Any] = [f"r{row}" for row in range(ROWS)]
    late = generator.permutation(np.arange(ROWS // 2, ROWS))[: ROWS // 10]
    for row, earlier in zip(late.tolist(), generator.permutation(ROWS // 2).tolist(), strict=False):
        ids[row] = f"r{earlier}"
    vectors = clustered(ROWS, DIMS)
    spoiled = vectors.copy()
    bad = generator.permutation(ROWS)[:60]
    spoiled[bad, 3] = np.nan
    source = write_source(tmp_path / "rows.parquet", ids, spoiled, row_group=1_000)
    name = f"truth-{metric}"
    train(TrainSettings(name=name, source=source, metric=metric), services)
    settings = IndexSettings(name=name, source=source, chunk_rows=200, max_dead_letters=60, recall_queries=300)
    run_index(settings, services)
    live = VectorIndex(name, services.connection)
    held = {id: vectors[row] for row, id in enumerate(ids) if row not in set(bad.tolist())}

    build = f"{name}-2"
    for stage in (stages.check, stages.plan, stages.create, stages.load):
        stage(settings, build, services)
    drop_entries(services, build, range(5, 20))
    # The changes come between the load and its resumption, near some rows that may be queries.
    moved = {f"r{row}": vectors[row] + np.float32(0.01) for row in range(100, 220)}
    new = {f"new{row}": vectors[row] * np.float32(1.001) for row in range(300, 400)}
    live.upsert([{"id": id, "embedding": vector.tolist()} for id, vector in (moved | new).items()], refresh=True)
    gone = [f"r{row}" for row in range(500, 600)]
    live.delete(gone, refresh=True)
    report = run_index(settings.model_copy(update={"promote": False}), services, build)
    held = {id: vector for id, vector in (held | moved | new).items() if id not in gone}
    assert report.documents == len(held)
    assert 200 < report.recall_queries <= 300  # Some of the drawn rows are gone.
    assert 0 < (report.skipped or 0) < ROWS
    check(settings, build, services, held, 0.8)

    mended = [row for row in bad.tolist() if ids[row] not in moved and ids[row] not in gone]
    corrected = write_source(tmp_path / "good.parquet", [ids[row] for row in mended], vectors[mended])
    replay_dead_letters(ReplaySettings(name=name, source=corrected, build=build), services)
    last = {id: row for row, id in enumerate(ids)}
    held |= {ids[row]: vectors[row] for row in mended if last[ids[row]] == row}
    check(settings, build, services, held, 0.8)


def test_few_rows_and_a_metric_of_many_ties(services: Services, tmp_path: Path) -> None:
    rows = 40
    vectors = np.random.default_rng(1).integers(1, 3, (rows, 4)).astype(np.float32)
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(rows)], vectors)
    train(TrainSettings(name="truth-few", source=source, metric="l2"), services)
    settings = IndexSettings(name="truth-few", source=source, chunk_rows=7)
    report = run_index(settings, services)
    check(settings, report.build, services, {f"r{row}": vectors[row] for row in range(rows)}, 0.99)


def test_a_query_that_is_not_certain_is_compared_with_the_index(services: Services, tmp_path: Path) -> None:
    """Thirty versions of each id: the lists hold little else."""
    ids = [f"r{row % 100}" for row in range(3_000)]
    vectors = clustered(100, DIMS)[np.arange(3_000) % 100]
    source = write_source(tmp_path / "rows.parquet", ids, vectors)
    train(TrainSettings(name="truth-often", source=source, metric="l2"), services)
    settings = IndexSettings(name="truth-often", source=source, chunk_rows=500)
    report = run_index(settings, services)
    _, certain = truth_of(settings, report.build, services)
    assert not certain.any()
    assert report.repeated == 2_900
    check(settings, report.build, services, {f"r{row}": vectors[row] for row in range(100)}, -1)
