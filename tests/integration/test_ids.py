"""Hits without fields have their ids from doc values, on a real node: every id that airlsh takes, by every strategy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.elastic.search_posting import post_search
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.request import SearchRequest
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

DIMS, K = 8, 10
LONGEST = ["x" * 512, "é" * 256, "日本語" * 56, "🙂" * 128]
STRANGE = [
    'say "no"',
    "back\\slash",
    "a/b?c#d%20",
    " blank ",
    "line\nbreak",
    "\x00\x7f",
    "_id",
    "-0",
    "1e3",
    "ünï",
    "İi",
]
IDS = [*LONGEST, *STRANGE, *(f"r{row}" for row in range(200))]
VECTORS = clustered(len(IDS), DIMS)
TITLES = [f"word{row % 7}" for row in range(len(IDS))]
NEW = "новый" * 51  # 510 bytes


@pytest.fixture(scope="module", params=["ivf", "hyperplane", "hnsw"])
def index(request: Any, one_node: Any, dask_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    name = f"ids-{request.param}"
    services = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    source = write_source(tmp_path_factory.mktemp(name) / "rows.parquet", IDS, VECTORS, title=TITLES)
    train(TrainSettings(name=name, source=source, metric="l2", model=request.param), services)
    settings = IndexSettings(name=name, source=source, text_field=("title",), shards=2, recall_queries=50)
    assert run_index(settings, services).promoted
    return VectorIndex(name, services.connection)


def test_each_row_is_found_by_its_own_id(index: VectorIndex) -> None:
    for result, id, vector in zip(index.search_many(VECTORS, k=1, fields=()), IDS, VECTORS, strict=True):
        assert result.ids == [id]
        assert result.neighbours[0].fields == {}
        assert index.search(vector, k=1, exact=True, fields=()).ids == [id]


def test_searches_of_all_kinds_find_the_same_with_and_without_fields(index: VectorIndex) -> None:
    few = {"ids": {"values": IDS[:20]}}
    kinds: list[dict[str, Any]] = [
        {"vector": VECTORS[3]},
        {"vector": VECTORS[3], "exact": True},
        {"vector": VECTORS[3], "filter": few},
        {"vector": VECTORS[3], "match": "word1 word3"},
        {"vector": VECTORS[3], "match": "word1", "match_weight": 1},
        *({"id": id} for id in (*LONGEST, *STRANGE)),
        {"id": LONGEST[1], "filter": few},
        {"id": LONGEST[1], "exact": True},
        {"id": LONGEST[1], "match": "word1 word3"},
    ]
    for kind in kinds:
        bare, named, whole = (
            index.search(SearchRequest(k=K, fields=fields, **kind)) for fields in ((), ("title",), None)
        )
        ranks = [[(each.id, each.score, each.distance, each.match_score) for each in result.neighbours]
                 for result in (bare, named, whole)]  # fmt: skip
        assert ranks[0] == ranks[1] == ranks[2], kind
        assert len(set(bare.ids)) == K
        assert {each.id: dict(each.fields) for each in named.neighbours} == {
            id: {"title": TITLES[IDS.index(id)]} for id in named.ids
        }


def test_rows_written_live_have_their_ids_too(index: VectorIndex) -> None:
    far = np.full(DIMS, 50, np.float32)
    index.upsert([{"id": NEW, "embedding": far, "title": "word9"}], refresh=True)
    assert index.search(far, k=1, fields=()).ids == [NEW]
    assert index.search(far, k=1, match="word9", fields=()).ids == [NEW]
    index.delete([NEW], refresh=True)
    assert index.search(far, k=1, fields=()).ids != [NEW]


def test_a_vector_is_sent_to_the_last_bit(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """As base64, and past the client, with the scores that the server gives for plain numbers."""
    build = index.build
    client = Connection(build_urls(index)).client()
    for vector in VECTORS[:20] * np.float32(1.0000001):
        knn = {"field": "embedding", "query_vector": vector.tolist(), "k": K, "num_candidates": K}
        plain = client.search(index=build.index, query={"knn": knn}, size=K)["hits"]["hits"]
        found = index.search(vector, k=K, exact=True, fields=())
        assert [(each.id, each.score) for each in found.neighbours] == [(hit["_id"], hit["_score"]) for hit in plain]
    monkeypatch.setattr(client, "perform_request", None)
    assert post_search(client, b'{"index":"%b"}\n{"size":0}\n' % build.index.encode())[0]["status"] == 200


def build_urls(index: VectorIndex) -> tuple[str, ...]:
    """Return the nodes of an index."""
    return index._connection.urls
