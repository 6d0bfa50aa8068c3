"""Settings, mapping and ``_meta`` of a build's index. Pure: no I/O."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from lsh_core.builds.field_limits import SPARE_FIELDS, field_count
from lsh_core.builds.field_types import is_field_name
from lsh_core.errors import SchemaError
from lsh_core.retrieval.token_format import TokenFormat

META_KEY = "airlsh"
MOST_DIMS = 4096
FORMAT = 2
_BYTES_PER_SHARD = 16 * 2**30
_GC_DELETES = "1h"


@dataclass(frozen=True)
class VectorField:
    """One vector column of a build and the model that hashes it.

    Attributes
    ----------
    near
        How many nearest lists are kept with each document for look-ups by id; 0 for models without lists.
    effort
        Default effort of a query: probes, candidates or num_candidates, as the model counts it.
    graph
        What the server builds its own graph of the vectors with (``m``, ``ef_construction``), for models without
        tokens; None for those with.
    encoder
        What made the vectors, as `lsh_core.sources.encoder_info.EncoderInfo` has it, where the source says so. It turns
        texts and images into queries.
    """

    column: str
    dims: int
    metric: str
    similarity: str
    model_id: str
    fingerprint: str
    kind: str
    token_prefix: str
    token_width: int
    has_lists: bool
    near: int
    effort: int
    graph: dict[str, int] | None = None
    encoder: dict[str, Any] | None = None

    @property
    def vector_paths(self) -> tuple[str, ...]:
        """The fields that hold the vector: one in all but builds with a graph."""
        return (self.column,) if self.graph is None else (self.column, graph_path(self.column))

    @property
    def tokens(self) -> TokenFormat:
        """How this field's tokens are written."""
        return TokenFormat(self.token_prefix, self.token_width)


@dataclass(frozen=True)
class BuildMeta:
    """What an index says of itself in ``_meta.airlsh``.

    Attributes
    ----------
    format
        1: no fields for live changes, and no `id_column`. 2: with both.
    id_column
        Column of the source that holds the ids; "id" where the index does not say.
    source_version
        Version of the Delta or Iceberg table that was read; None for plain files.
    column_types
        Types of the columns that are mapped by default, as `pack_types` writes them; empty if they are not known.
    """

    name: str
    build: str
    source: str
    settings_fingerprint: str
    vectors: tuple[VectorField, ...]
    version: str
    format: int = FORMAT
    id_column: str = "id"
    source_version: str | None = None
    column_types: str = ""

    @property
    def types(self) -> pa.Schema:
        """Types of the columns that are mapped by default."""
        return unpack_types(self.column_types)

    def to_json(self) -> dict[str, Any]:
        """Return the value that is stored."""
        return {META_KEY: asdict(self)}

    @classmethod
    def from_json(cls, meta: Mapping[str, Any]) -> BuildMeta:
        """Read what `to_json` wrote; raises ``KeyError`` for an index that airlsh did not make."""
        own = dict(meta[META_KEY])
        vectors = tuple(VectorField(**vector) for vector in own.pop("vectors"))
        return cls(vectors=vectors, **own)


def pack_types(schema: pa.Schema) -> str:
    """Return an Arrow schema as text: serialised, in base64."""
    return b64encode(schema.serialize().to_pybytes()).decode()


def unpack_types(text: str) -> pa.Schema:
    """Return the schema that `pack_types` wrote; an empty one for an empty text."""
    return pa.ipc.read_schema(pa.py_buffer(b64decode(text))) if text else pa.schema([])


def check_vector_column(source: str, column: str, dims: int) -> None:
    """Raise `SchemaError` for a column that cannot be a field, or vectors longer than the server can index."""
    if not is_field_name(column):
        raise SchemaError(source, column, "cannot be the name of a field: give the column another one")
    if dims > MOST_DIMS:
        raise SchemaError(source, column, f"has vectors of {dims} numbers; Elasticsearch indexes {MOST_DIMS} at most")


def tokens_path(vector: str) -> str:
    """Return the field with the tokens of `vector`."""
    return f"airlsh.tokens.{vector}"


def list_path(vector: str) -> str:
    """Return the field with the primary list of `vector`."""
    return f"airlsh.list.{vector}"


def near_path(vector: str) -> str:
    """Return the field with the nearest lists of `vector`: stored for look-ups by id, not indexed."""
    return f"airlsh.near.{vector}"


def graph_path(vector: str) -> str:
    """Return the field with the server's graph of `vector`."""
    return f"airlsh.graph.{vector}"


def default_shards(rows: int, dims: int, nodes: int) -> int:
    """Return the number of primary shards for an index of `rows` rows of `dims` numbers each, copies counted.

    One shard answers a query cheapest, so there are as many as the bytes want, and no more; what is
    too big for one is spread over all data nodes.
    """
    size = rows * (4 * dims + 400)
    shards = math.ceil(size / _BYTES_PER_SHARD)
    return 1 if shards <= 1 else math.ceil(shards / nodes) * nodes


def change_fields() -> dict[str, Any]:
    """Return the fields under ``airlsh`` that live changes fill: the change's position, and the partition."""
    return {"change": {"type": "long"}, "partition": {"type": "keyword"}}


def build_body(
    meta: BuildMeta, fields: Mapping[str, Mapping[str, Any]], *, shards: int, replicas: int
) -> dict[str, Any]:
    """Return the body that creates the index of a build, ready to be loaded.

    ``flat`` keeps scores exact, whatever the model: every row that passes a filter, or all of them, can be compared
    with a query. On a field with a graph a query is exact only where no more than 10,000 rows pass its filter, and to
    scan 63,666 rows in parts as small as that took as long as ten searches of the graph. So a graph is a second field,
    over a copy of the vectors, as the server makes neither multi-fields nor ``copy_to`` of them: the price is twice
    the bytes. Its type is ``hnsw``, never one of the quantised ones.

    ``refresh_interval`` is -1 while it loads; settling puts the default back. The query cache is off because one-off
    token filters only pollute it.
    """
    own: dict[str, Any] = {"chunk": {"type": "integer"}, "row": {"type": "long"}, **change_fields()}
    properties: dict[str, Any] = {**fields}
    tokens: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    graphs: dict[str, Any] = {}
    for vector in meta.vectors:
        properties[vector.column] = _dense_vector(vector, {"type": "flat"})
        if vector.graph is not None:
            graphs[vector.column] = _dense_vector(vector, {"type": "hnsw", **vector.graph})
        else:
            tokens[vector.column] = {"type": "keyword", "similarity": "boolean", "doc_values": False, "norms": False}
        if vector.has_lists:
            lists[vector.column] = {"type": "integer"}
    if tokens:
        own["tokens"] = {"properties": tokens}
    if graphs:
        own["graph"] = {"properties": graphs}
    if lists:
        # A look-up reads the source, so the server need not even parse what is only there to be looked up.
        own["list"], own["near"] = {"properties": lists}, {"type": "object", "enabled": False}
    properties["airlsh"] = {"properties": own}
    settings: dict[str, Any] = {
        "index.number_of_shards": shards,
        "index.number_of_replicas": replicas,
        "index.refresh_interval": "-1",
        "index.queries.cache.enabled": False,
        "index.gc_deletes": _GC_DELETES,
        "index.mapping.coerce": False,
    }
    sorted_by = [list_path(vector.column) for vector in meta.vectors if vector.has_lists]
    if sorted_by:
        settings["index.sort.field"] = sorted_by
        settings["index.sort.order"] = ["asc"] * len(sorted_by)
    mappings = {"dynamic": "strict", "_meta": meta.to_json(), "properties": properties}
    # As many as there are, and some for live changes: the server's own limit is 1,000.
    settings["index.mapping.total_fields.limit"] = field_count(mappings) + SPARE_FIELDS
    return {"settings": settings, "mappings": mappings}


def _dense_vector(vector: VectorField, index_options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "dense_vector",
        "dims": vector.dims,
        "index": True,
        "similarity": vector.similarity,
        "index_options": dict(index_options),
    }
