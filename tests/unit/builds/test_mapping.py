from __future__ import annotations

import orjson
import pytest

from lsh_core.builds.mapping import BuildMeta, VectorField, build_body, check_vector_column, default_shards
from lsh_core.builds.names import live_write_alias, physical_index, replay_alias, write_alias
from lsh_core.errors import ModelMismatchError, SchemaError
from tests.fakes.vector_fields import graph_field, list_field, table_field

LISTS = list_field(dims=384, metric="cosine", similarity="cosine")
TABLES = table_field(column="w")
GRAPH = graph_field()


def meta(*vectors: VectorField) -> BuildMeta:
    return BuildMeta("docs", "b1", "s.parquet", "cd" * 32, vectors, "0.1.0")


def test_unknown_fields_are_refused_and_vectors_are_exact() -> None:
    mappings = build_body(meta(LISTS), {}, shards=2, replicas=1)["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["properties"]["v"] == {
        "type": "dense_vector",
        "dims": 384,
        "index": True,
        "similarity": "cosine",
        "index_options": {"type": "flat"},
    }


def test_our_own_fields_lie_under_airlsh() -> None:
    properties = build_body(meta(LISTS), {"title": {"type": "text"}}, shards=1, replicas=0)["mappings"]["properties"]
    assert set(properties) == {"title", "v", "airlsh"}
    own = properties["airlsh"]["properties"]
    assert own["tokens"]["properties"]["v"] == {
        "type": "keyword",
        "similarity": "boolean",
        "doc_values": False,
        "norms": False,
    }
    assert own["list"]["properties"]["v"] == {"type": "integer"}
    assert own["near"] == {"type": "object", "enabled": False}
    assert own["id"] == {"type": "keyword", "index": False}
    assert own["chunk"] == {"type": "integer"}
    assert own["row"] == {"type": "long"}


def test_settings_of_an_index_that_is_to_be_loaded() -> None:
    settings = build_body(meta(LISTS), {}, shards=3, replicas=1)["settings"]
    assert settings["index.number_of_shards"] == 3
    assert settings["index.number_of_replicas"] == 1
    assert settings["index.refresh_interval"] == "-1"
    assert settings["index.queries.cache.enabled"] is False
    assert settings["index.mapping.coerce"] is False
    assert settings["index.sort.field"] == ["airlsh.list.v"]
    assert "index.translog.durability" not in settings


def test_a_model_without_lists_has_neither_lists_nor_a_sort() -> None:
    body = build_body(meta(TABLES), {}, shards=1, replicas=0)
    assert set(body["mappings"]["properties"]["airlsh"]["properties"]) == {
        "change",
        "chunk",
        "id",
        "partition",
        "row",
        "tokens",
    }
    assert "index.sort.field" not in body["settings"]


def test_a_graph_is_a_second_field_that_is_never_quantised() -> None:
    properties = build_body(meta(GRAPH), {}, shards=1, replicas=0)["mappings"]["properties"]
    own = properties["airlsh"]["properties"]
    assert "tokens" not in own
    assert properties["v"]["index_options"] == {"type": "flat"}
    graph = own["graph"]["properties"]["v"]
    assert graph.pop("index_options") == {"type": "hnsw", "m": 16, "ef_construction": 100}
    assert graph == {key: value for key, value in properties["v"].items() if key != "index_options"}
    assert GRAPH.vector_paths == ("v", "airlsh.graph.v")
    assert TABLES.vector_paths == ("w",)


def test_the_format_knows_several_vectors() -> None:
    body = build_body(meta(LISTS, TABLES), {}, shards=1, replicas=0)
    own = body["mappings"]["properties"]["airlsh"]["properties"]
    assert set(own["tokens"]["properties"]) == {"v", "w"}
    assert set(own["list"]["properties"]) == {"v"}


def test_meta_survives_the_server() -> None:
    stored = meta(LISTS, TABLES, GRAPH)
    body = orjson.loads(orjson.dumps(build_body(stored, {}, shards=1, replicas=0)))
    assert BuildMeta.from_json(body["mappings"]["_meta"]) == stored


@pytest.mark.parametrize("older", [1, 2, 3])
def test_an_index_of_an_older_format_is_refused_with_what_to_do(older: int) -> None:
    stored = meta(LISTS).to_json()
    stored["airlsh"]["format"] = older
    with pytest.raises(ModelMismatchError, match=f"build b1 of docs, .* index it again: .* given format {older}"):
        BuildMeta.from_json(stored)


def test_an_index_that_is_not_ours_has_no_meta() -> None:
    with pytest.raises(KeyError):
        BuildMeta.from_json({"someone": "else"})


@pytest.mark.parametrize(
    ("rows", "dims", "nodes", "shards"),
    [
        (0, 384, 3, 1),
        (1_000_000, 128, 3, 1),
        (10_000_000, 384, 1, 2),
        (10_000_000, 384, 3, 3),
        (100_000_000, 384, 4, 12),
    ],
)
def test_shards_follow_from_bytes_and_nodes(rows: int, dims: int, nodes: int, shards: int) -> None:
    assert default_shards(rows, dims, nodes) == shards


def test_no_index_can_be_made_by_the_name_of_an_alias_that_is_deleted_through() -> None:
    assert live_write_alias("airlsh-docs-b1") != live_write_alias("airlsh-docs-b1").lower()
    assert replay_alias("airlsh-docs-b1") != replay_alias("airlsh-docs-b1").lower()


def test_names() -> None:
    assert physical_index("docs", "b1") == "airlsh-docs-b1"
    assert write_alias("b1", 7) == "airlsh-w-b1-7"
    assert physical_index("docs", "2024-b1") != physical_index("docs-2024", "b2")


def test_vectors_that_the_server_cannot_index_are_refused_before_any_work() -> None:
    check_vector_column("rows.parquet", "v", 4096)
    with pytest.raises(SchemaError, match=r"rows\.parquet: column 'v' has vectors of 4097 numbers"):
        check_vector_column("rows.parquet", "v", 4097)
