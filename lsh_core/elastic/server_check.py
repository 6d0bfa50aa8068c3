"""Checks a server's version and query semantics on a temporary 20-row index."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.index_creation import create_index
from lsh_core.elastic.stored_vectors import asked_for, vectors_of
from lsh_core.elastic.supported import OLDEST, is_supported
from lsh_core.errors import UnsupportedServerError

_FAR = 1000.0
_BODY = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "vector": {"type": "dense_vector", "dims": 2, "similarity": "l2_norm", "index_options": {"type": "flat"}},
            "tag": {"type": "keyword", "similarity": "boolean", "doc_values": False, "norms": False},
        },
    },
}


@dataclass(frozen=True)
class ServerFacts:
    """Versions of the nodes of a server, and its number of data nodes."""

    versions: tuple[str, ...]
    data_nodes: int


def server_facts(cluster: Cluster) -> ServerFacts:
    """Return the versions of all nodes; an older node raises an error.

    ``GET /`` is not used: a distribution without the root endpoint answers 405.
    """
    nodes = cluster.run(lambda client: client.nodes.info(filter_path="nodes.*.version,nodes.*.roles"))["nodes"].values()
    versions = tuple(sorted({node["version"] for node in nodes}))
    for version in versions:
        if not is_supported(version):
            raise UnsupportedServerError(f"Elasticsearch {version}", f"airlsh needs {OLDEST} or later on every node")
    holding = sum(any(role.startswith("data") for role in node["roles"]) for node in nodes)
    return ServerFacts(versions, holding)


def check_server(cluster: Cluster) -> ServerFacts:
    """Check the version and the query semantics of the server behind `cluster`.

    The test index has twenty rows on a line, vector ``[i, 0]`` for row i, even rows tagged. The check proves four
    facts:

    - A ``knn`` query with a filter on a flat field scores exactly the rows that pass the filter.
    - A ``knn`` rescore reranks its window only.
    - The vector of a stored row can be looked up by id.
    - A vector can be read back as base64.

    Raises
    ------
    UnsupportedServerError
        The server is too old, or a fact does not hold.
    """
    facts = server_facts(cluster)
    index = f"airlsh-probe-{secrets.token_hex(6)}"
    create_index(cluster, index, _BODY, wait_for_active_shards=1)
    try:
        rows: list[dict[str, Any]] = []
        for row in range(20):
            tag = "even" if row % 2 == 0 else "odd"
            rows += [{"index": {"_id": str(row)}}, {"vector": [float(row), 0.0], "tag": [tag]}]
        cluster.run(lambda client: client.bulk(index=index, operations=rows, refresh=True))
        name = f"Elasticsearch {', '.join(facts.versions)}"
        for fact, (found, expected) in _facts(cluster, index).items():
            if found != expected:
                raise UnsupportedServerError(name, f"{fact}: expected {expected}, got {found}")
    finally:
        cluster.run(lambda client: client.indices.delete(index=index, ignore_unavailable=True))
    return facts


def _facts(cluster: Cluster, index: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return the found and the expected answer of each fact."""
    even = {"term": {"tag": "even"}}
    near_nine = {"field": "vector", "query_vector": [9.2, 0.0], "k": 3, "num_candidates": 3}
    rescored = {
        "window_size": 10,
        "query": {
            "query_weight": 0,
            "rescore_query_weight": 1,
            "rescore_query": {"knn": {"field": "vector", "query_vector": [_FAR, 0.0], "k": 10, "num_candidates": 10}},
        },
    }
    looked_up = {
        "field": "vector",
        "k": 3,
        "num_candidates": 3,
        "query_vector_builder": {"lookup": {"index": index, "id": "4", "path": "vector"}},
        "filter": even,
    }
    return {
        "knn with a filter is exact over the rows that pass it": (
            _ids(cluster, index, query={"knn": {**near_nine, "filter": even}}, size=3),
            ["10", "8", "12"],
        ),
        "a knn rescore reranks its window": (
            _ids(cluster, index, query={"bool": {"should": [even]}}, rescore=rescored, size=3),
            ["18", "16", "14"],
        ),
        "a stored vector can be looked up by id": (
            _ids(cluster, index, query={"knn": looked_up}, size=1),
            ["4"],
        ),
        "a stored vector is read back as base64": (
            [str(each) for each in vectors_of(_read(cluster, index, "4"), "vector", 2).tolist()],
            ["[4.0, 0.0]"],
        ),
    }


def _read(cluster: Cluster, index: str, id: str) -> list[dict[str, Any]]:
    query = {"ids": {"values": [id]}}
    hits: list[dict[str, Any]] = cluster.search(
        index, query=query, source=False, docvalue_fields=asked_for("vector"), size=1
    )["hits"]["hits"]
    return hits


def _ids(cluster: Cluster, index: str, **body: Any) -> list[str]:
    return [hit["_id"] for hit in cluster.search(index, source=False, **body)["hits"]["hits"]]
