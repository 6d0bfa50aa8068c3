"""The comparison itself: it knows what a source holds, and sees every way in which an index can differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.local.cluster import ElasticsearchCluster
from tests.chaos.contents import assert_holds_source, read_documents
from tests.chaos.source_model import SourceModel, make_source, read_source

INDEX, DIMS = "compared", 3
MAPPINGS = {
    "properties": {
        "embedding": {"type": "dense_vector", "dims": DIMS, "index": False},
        "airlsh": {"properties": {"row": {"type": "long"}, "chunk": {"type": "long"}}},
    }
}


def test_the_model_knows_winners_repeated_ids_and_bad_rows(tmp_path: Path) -> None:
    good, nan = [1.0, 2.0, 3.0], [1.0, float("nan"), 3.0]
    first = [("a", good), ("b", good), ("a", good), (None, good), ("c", nan), ("d", None)]
    second = [("b", good), ("a", good[:2]), ("é" * 257, good), ("é" * 256, good)]
    for name, rows in (("1.parquet", second), ("0.parquet", first)):
        vectors = pa.array([vector for _, vector in rows], pa.list_(pa.float32()))
        pq.write_table(pa.table({"id": [identity for identity, _ in rows], "embedding": vectors}), tmp_path / name)

    model = read_source(tmp_path, DIMS)

    assert model.winners == {"a": 2, "b": 6, "é" * 256: 9}
    assert (model.rows, model.bad, model.repeated) == (10, 5, 2)


def _delete(client: Any, identity: str) -> None:
    client.delete(index=INDEX, id=identity)


def _add(client: Any, identity: str) -> None:
    client.index(index=INDEX, id=f"{identity}-foreign", document={"airlsh": {"row": 10**6, "chunk": 0}})


def _move(client: Any, identity: str) -> None:
    client.update(index=INDEX, id=identity, doc={"airlsh": {"row": 10**6}})


def _spoil(client: Any, identity: str) -> None:
    client.update(index=INDEX, id=identity, doc={"embedding": [9.0, 9.0, 9.0]})


@pytest.mark.parametrize(
    ("damage", "words"),
    [(_delete, "are missing"), (_add, "not the source's"), (_move, "not their last"), (_spoil, "seed 1: id-")],
)
def test_every_difference_is_seen(
    chaos_nodes: ElasticsearchCluster, tmp_path: Path, damage: Callable[[Any, str], None], words: str
) -> None:
    from elasticsearch import Elasticsearch

    model = make_source(tmp_path / "source", rows=150, dims=DIMS, seed=1)
    with Elasticsearch(chaos_nodes.urls[0]) as client:
        client.indices.create(index=INDEX, mappings=MAPPINGS)
        try:
            client.bulk(index=INDEX, operations=_operations(model))
            assert_holds_source(client, INDEX, model, seed=1)
            assert {each: held.row for each, held in read_documents(client, INDEX).items()} == model.winners
            damage(client, next(iter(model.winners)))
            with pytest.raises(AssertionError, match=words):
                assert_holds_source(client, INDEX, model, seed=1)
        finally:
            client.indices.delete(index=INDEX)


def _operations(model: SourceModel) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for identity, row in model.winners.items():
        vector = np.asarray(model.vectors[row], dtype=np.float32).tolist()
        operations.append({"index": {"_id": identity}})
        operations.append({"embedding": vector, "airlsh": {"row": row, "chunk": row // 100}})
    return operations
