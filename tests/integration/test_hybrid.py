"""Hybrid searches on a real node: equal to the formula, of the server's text scores and true distances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lsh_core.cli.main import main
from lsh_core.elastic.connection import Connection
from lsh_core.errors import NotFoundError, SettingsError
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.results import SearchResult
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ROWS, DIMS, K, POOL = 1_500, 16, 10, 100
RANDOM = np.random.default_rng(11)
VECTORS = clustered(ROWS, DIMS) * RANDOM.lognormal(0, 0.2, (ROWS, 1)).astype(np.float32)
IDS = [f"r{row}" for row in range(ROWS)]
# Words have nothing to do with vectors: a row that is best by one is an arbitrary one by the other.
WORDS = np.array([f"word{number}" for number in range(40)])
TITLES = [" ".join(RANDOM.choice(WORDS, size=RANDOM.integers(2, 9), p=np.arange(40, 0, -1) / 820)) for _ in range(ROWS)]
TEXT = "word30 word8"
HALF = np.arange(ROWS) % 2 == 0
ONLY_HALF = {"term": {"half": True}}
WAYS = {"ivf": "lists", "hyperplane": "tables", "subspace": "tables", "hnsw": "graph"}
BUILDS = {"ivf": ("cosine", 3), "hyperplane": ("dot", 1), "subspace": ("l2", 3), "hnsw": ("l2", 1)}


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module", params=list(BUILDS))
def searcher(request: Any, services: Services, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    (metric, shards), name = BUILDS[request.param], f"hybrid-{request.param}"
    folder: Path = tmp_path_factory.mktemp(name)
    source = write_source(folder / "rows.parquet", IDS, VECTORS, title=TITLES, half=HALF.tolist())
    train(TrainSettings(name=name, source=source, metric=metric, model=request.param), services)
    settings = IndexSettings(name=name, source=source, shards=shards, text_field=("title",), recall_queries=200)
    assert run_index(settings, services).promoted
    return VectorIndex(name, services.connection)


@pytest.fixture(scope="module")
def client(one_node: Any) -> Any:
    from elasticsearch import Elasticsearch

    with Elasticsearch(one_node.urls[0]) as client:
        yield client


def effort(searcher: VectorIndex) -> dict[str, float]:
    """What leads to as many rows as compete, without a scan of all; a search that is told it does no more."""
    return {"ivf": {"probes": 60}, "hnsw": {"num_candidates": 150}}.get(searcher.build.field.model, {"candidates": 600})


def by_text(client: Elasticsearch, searcher: VectorIndex, among: dict[str, Any] | None = None) -> dict[str, float]:
    """The server's own ranking: the scores of all rows with a word of the text, best first."""
    query = {"bool": {"must": [{"match": {"title": TEXT}}], "filter": [among] if among else []}}
    found = client.search(index=searcher.build.index, query=query, size=ROWS, search_type="dfs_query_then_fetch")
    return {hit["_id"]: hit["_score"] for hit in found["hits"]["hits"]}


def distances_to(searcher: VectorIndex, vector: np.ndarray) -> dict[str, float]:
    exact, distances = exact_neighbours(VECTORS, vector[np.newaxis], ROWS, searcher.build.field.metric)
    return {IDS[row]: float(distance) for row, distance in zip(exact[0], distances[0], strict=True)}


def formula(
    near: list[str], matching: dict[str, float], distances: dict[str, float], weight: float
) -> dict[str, float]:
    """What `lsh_core.search.fusion` documents."""
    best = list(matching)[:POOL]
    middle = matching[best[len(best) // 2]]
    candidates = list(dict.fromkeys([*near, *best]))
    nearest = min(distances[each] for each in candidates)
    reach = distances[near[len(near) // 2]] - nearest
    fused = {}
    for each in candidates:
        score = matching.get(each, 0.0)
        fused[each] = weight * score / (score + middle) + (1 - weight) * reach / (reach + distances[each] - nearest)
    return fused


def assert_equal(answer: SearchResult, fused: dict[str, float], distances: dict[str, float]) -> None:
    best = sorted(fused.values(), reverse=True)[: len(answer.ids)]
    np.testing.assert_allclose([each.score for each in answer.neighbours], best, atol=2e-5)
    for each in answer.neighbours:
        assert each.score == pytest.approx(fused[each.id], abs=2e-5)
        assert each.distance == pytest.approx(distances[each.id], rel=1e-4, abs=2e-4)


def test_weight_0_is_the_search_without_a_text(searcher: VectorIndex) -> None:
    for vector in clustered(10, DIMS, seed=5):
        plain = searcher.search(vector, k=K, fields=())
        hybrid = searcher.search(match=TEXT, vector=vector, match_weight=0, k=K, fields=())
        assert [(each.id, each.distance) for each in hybrid.neighbours] == [
            (each.id, each.distance) for each in plain.neighbours
        ]
        assert (hybrid.strategy, hybrid.rows_scored, hybrid.build) == (plain.strategy, plain.rows_scored, plain.build)


def test_weight_1_is_the_servers_own_text_search(searcher: VectorIndex, client: Elasticsearch) -> None:
    matching, distances = by_text(client, searcher), distances_to(searcher, VECTORS[5])
    hybrid = searcher.search(match=TEXT, vector=VECTORS[5], match_weight=1, k=50, fields=())
    assert [(each.id, each.match_score) for each in hybrid.neighbours] == list(matching.items())[:50]
    assert all(each.distance == pytest.approx(distances[each.id], rel=1e-4, abs=2e-4) for each in hybrid.neighbours)
    assert len(searcher.search(match="word39", vector=VECTORS[5], match_weight=1, k=ROWS).ids) < 200


@pytest.mark.parametrize("weight", [0.2, 0.5, 0.8])
def test_between_it_is_the_weighted_sum(searcher: VectorIndex, client: Elasticsearch, weight: float) -> None:
    matching = by_text(client, searcher)
    for vector in clustered(5, DIMS, seed=6):
        distances = distances_to(searcher, vector)
        near = searcher.search(vector, k=POOL, fields=(), **effort(searcher)).ids
        hybrid = searcher.search(match=TEXT, vector=vector, match_weight=weight, k=K, fields=(), **effort(searcher))
        assert hybrid.strategy == WAYS[searcher.build.field.model]
        assert_equal(hybrid, formula(near, matching, distances, weight), distances)
        assert all(each.match_score == matching.get(each.id, 0.0) for each in hybrid.neighbours)


def test_between_both_matter(searcher: VectorIndex, client: Elasticsearch) -> None:
    matching = list(by_text(client, searcher))
    for fusion in ("weighted", "rrf"):
        near, text = 0, 0
        for vector in clustered(10, DIMS, seed=7):
            nearest = searcher.search(vector, k=K, fields=(), **effort(searcher)).ids
            hybrid = searcher.search(match=TEXT, vector=vector, fusion=fusion, k=K, fields=(), **effort(searcher))  # type: ignore[arg-type]
            found = set(hybrid.ids)
            near += len(found & (set(nearest) - set(matching[:K])))
            text += len(found & (set(matching[:K]) - set(nearest)))
        assert near >= 3, fusion
        assert text >= 3, fusion


def test_reciprocal_ranks_are_those_of_the_two_rankings(searcher: VectorIndex, client: Elasticsearch) -> None:
    vector = clustered(1, DIMS, seed=8)[0]
    near = searcher.search(vector, k=POOL, fields=(), **effort(searcher)).ids
    rankings = (near, list(by_text(client, searcher))[:POOL])
    fused: dict[str, float] = {}
    for ranking in rankings:
        for rank, each in enumerate(ranking, start=1):
            fused[each] = fused.get(each, 0.0) + 1 / (60 + rank)
    hybrid = searcher.search(match=TEXT, vector=vector, fusion="rrf", k=K, fields=(), **effort(searcher))
    assert hybrid.strategy == WAYS[searcher.build.field.model]
    assert_equal(hybrid, fused, distances_to(searcher, vector))


def test_under_a_filter_both_parts_are_filtered(searcher: VectorIndex, client: Elasticsearch) -> None:
    vector, rows = VECTORS[8], np.flatnonzero(HALF)
    matching = by_text(client, searcher, ONLY_HALF)
    exact, _ = exact_neighbours(VECTORS[rows], vector[np.newaxis], POOL, searcher.build.field.metric)
    near, distances = [IDS[rows[each]] for each in exact[0]], distances_to(searcher, vector)
    for weight in (0.3, 0.7):
        hybrid = searcher.search(match=TEXT, vector=vector, match_weight=weight, filter=ONLY_HALF, fields=())
        assert (hybrid.strategy, hybrid.rows_scored) == ("exact", HALF.sum())
        assert_equal(hybrid, formula(near, matching, distances, weight), distances)
    text = searcher.search(match=TEXT, vector=vector, match_weight=1, filter=ONLY_HALF, fields=())
    assert text.ids == list(matching)[:K]


def test_by_id_the_row_itself_is_left_out(searcher: VectorIndex, client: Elasticsearch) -> None:
    matching = by_text(client, searcher)
    row = next(iter(matching))  # The best by the text, and the nearest to itself.
    del matching[row]
    vector = VECTORS[int(row[1:])]
    near = searcher.search(id=row, k=POOL, fields=(), **effort(searcher)).ids
    distances = distances_to(searcher, vector)
    hybrid = searcher.search(match=TEXT, id=row, k=K, fields=("title",), **effort(searcher))
    assert_equal(hybrid, formula(near, matching, distances, 0.5), distances)
    assert all(each.fields == {"title": TITLES[int(each.id[1:])]} for each in hybrid.neighbours)
    plain = searcher.search(id=row, k=K)  # By what is stored with the row, where that is enough.
    looked_up = searcher.search(match=TEXT, id=row, match_weight=0)
    assert (looked_up.ids, looked_up.strategy) == (plain.ids, plain.strategy)
    between = searcher.search(match=TEXT, id=row)
    assert between.strategy == plain.strategy
    assert all(each.match_score == matching.get(each.id, 0.0) and each.id != row for each in between.neighbours)
    assert all(each.distance == pytest.approx(distances[each.id], rel=1e-4, abs=2e-4) for each in between.neighbours)
    assert searcher.search(match=TEXT, id=row, match_weight=1).ids == list(matching)[:K]
    with pytest.raises(NotFoundError, match="nobody"):
        searcher.search(match=TEXT, id="nobody")


def test_more_rows_than_either_way_leads_to(searcher: VectorIndex) -> None:
    hybrid = searcher.search(match=TEXT, vector=VECTORS[3], k=ROWS, fields=())
    assert len(set(hybrid.ids)) == ROWS


def test_from_the_command_line(searcher: VectorIndex, one_node: Any, tmp_path: Path) -> None:
    name, url = searcher.build.meta.name, one_node.urls[0]

    def rows(*arguments: str) -> list[list[dict[str, Any]]]:
        result = CliRunner().invoke(
            main, ["search", name, "--match", TEXT, "-k", "5", "--es", url, "--json", *arguments]
        )
        assert result.exit_code == 0, result.output
        return [each["neighbours"] for each in json.loads(result.stdout)]

    (by_id,) = rows("--id", "r7", "--match-weight", "0.3", "--match-field", "title", "--fields", "half")
    expected = searcher.search(match=TEXT, id="r7", match_weight=0.3, k=5, fields=["half"])
    assert [(row["id"], row["score"], row["match_score"]) for row in by_id] == [
        (each.id, each.score, each.match_score) for each in expected.neighbours
    ]
    assert by_id[0]["fields"] == {"half": bool(HALF[int(by_id[0]["id"][1:])])}
    np.save(tmp_path / "queries.npy", VECTORS[:2])
    by_vector = rows("--vectors", str(tmp_path / "queries.npy"), "--fusion", "rrf")
    assert [[row["id"] for row in each] for each in by_vector] == [
        searcher.search(match=TEXT, vector=vector, fusion="rrf", k=5).ids for vector in VECTORS[:2]
    ]


def test_what_is_refused(searcher: VectorIndex) -> None:
    with pytest.raises(SettingsError, match=r"half.* is not full text .* there are title"):
        searcher.search(match=TEXT, vector=VECTORS[0], match_fields=["half"])
    with pytest.raises(SettingsError, match="give one of vector, id, text and image"):
        searcher.search(match=TEXT)
    with pytest.raises(SettingsError, match="fields"):
        searcher.search(match=TEXT, vector=VECTORS[0], match_weight=1, fields=["nothing"])


def test_a_text_is_not_parsed(searcher: VectorIndex) -> None:
    assert searcher.search(match='(word30 AND "~* half:true', vector=VECTORS[0], match_weight=1, k=5).ids
    assert not searcher.search(match="*", vector=VECTORS[0], match_weight=1).ids
