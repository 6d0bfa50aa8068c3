"""Settings, mapping and ``_meta`` of a build's index. Pure: no I/O."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from lsh_core.builds.field_limits import SPARE_FIELDS, field_count
from lsh_core.builds.field_types import is_field_name
from lsh_core.errors import ModelMismatchError, SchemaError
from lsh_core.retrieval.contract import Retrieval, VectorColumn
from lsh_core.retrieval.registry import make_retrieval
from lsh_core.retrieval.token_format import TokenFormat

META_KEY = "airlsh"
MAX_DIMS = 4096
FORMAT = 4
"""Format of an index and its ``_meta``; an index of another format is refused.

Format 1 had no fields for live changes. Format 2 had ``kind`` and ``has_lists``. Format 3 had no ids in doc values, and
counted the effort of lists in probes.
"""
_BYTES_PER_SHARD = 16 * 2**30
_GC_DELETES = "1h"


@dataclass(frozen=True)
class VectorField:
    """Vector column of a build and the model that hashes it.

    Attributes
    ----------
    effort
        Default effort of a query, in the unit of the strategy.
    retrieval, retrieval_parameters
        Name and parameters of the retrieval strategy.
    encoder
        Encoder of the vectors, in the form of `lsh_core.sources.encoder_info.EncoderInfo`; None if the source names
        none. The encoder turns texts and images into queries.
    """

    column: str
    dims: int
    metric: str
    similarity: str
    model_id: str
    fingerprint: str
    model: str
    effort: float
    retrieval: str
    retrieval_parameters: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] | None = None

    @cached_property
    def strategy(self) -> Retrieval:
        """Retrieval strategy of the column."""
        column = VectorColumn(self.column, self.dims, self.metric, self.similarity)
        return make_retrieval(self.retrieval, column, self.retrieval_parameters)

    @property
    def vector_paths(self) -> tuple[str, ...]:
        """Fields that hold the vector."""
        return self.strategy.vector_paths

    @property
    def tokens(self) -> TokenFormat:
        """Format of the tokens."""
        return self.strategy.tokens


@dataclass(frozen=True)
class BuildMeta:
    """Metadata of an index, stored in ``_meta.airlsh``.

    Attributes
    ----------
    format
        `FORMAT` of the version that built the index.
    id_column
        Column of the source with the ids; "id" if the index does not record it.
    source_version
        Version of the Delta or Iceberg table that was read; None for plain files.
    column_types
        Types of the columns that are mapped by default, as `pack_types` writes them; empty if unknown.
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
        """Return the stored form."""
        return {META_KEY: asdict(self)}

    @classmethod
    def from_json(cls, meta: Mapping[str, Any]) -> BuildMeta:
        """Read the stored form that `to_json` wrote.

        Raises
        ------
        KeyError
            airlsh did not make the index.
        ModelMismatchError
            The index has another format.
        """
        own = dict(meta[META_KEY])
        if (found := own.get("format")) != FORMAT:
            where = f"build {own.get('build')} of {own.get('name')}, made by another version of airlsh: index it again"
            raise ModelMismatchError(f"an index of format {FORMAT}", f"format {found}", where)
        vectors = tuple(VectorField(**vector) for vector in own.pop("vectors"))
        return cls(vectors=vectors, **own)


def pack_types(schema: pa.Schema) -> str:
    """Return an Arrow schema as text: serialised, in base64."""
    return b64encode(schema.serialize().to_pybytes()).decode()


def unpack_types(text: str) -> pa.Schema:
    """Return the schema that `pack_types` wrote; empty text gives an empty schema."""
    return pa.ipc.read_schema(pa.py_buffer(b64decode(text))) if text else pa.schema([])


def check_vector_column(source: str, column: str, dims: int) -> None:
    """Raise `SchemaError` for a column that cannot be a field.

    Vectors that are longer than the server can index raise it as well.
    """
    if not is_field_name(column):
        raise SchemaError(source, column, "cannot be the name of a field: give the column another one")
    if dims > MAX_DIMS:
        raise SchemaError(source, column, f"has vectors of {dims} numbers; Elasticsearch indexes {MAX_DIMS} at most")


def default_shards(rows: int, dims: int, nodes: int) -> int:
    """Return the number of primary shards for `rows` vectors of `dims` numbers.

    `dims` counts every stored copy of a vector. A query is cheapest on one shard, so the number of shards follows from
    the bytes alone. An index that is too big for one shard is spread over all data nodes.
    """
    size = rows * (4 * dims + 400)
    shards = math.ceil(size / _BYTES_PER_SHARD)
    return 1 if shards <= 1 else math.ceil(shards / nodes) * nodes


def build_body(
    meta: BuildMeta, fields: Mapping[str, Mapping[str, Any]], *, shards: int, replicas: int
) -> dict[str, Any]:
    """Return the body that creates the index of a build, ready to be loaded.

    The vector field is ``flat`` under every strategy, so a query can be compared exactly with all rows, or with the
    rows that pass a filter.

    Numbers of loaded rows have doc values alone, since they are seldom searched for. Their search trees took a fifth of
    the server's work per row.

    ``refresh_interval`` is -1 during the load; `finalize` restores the default. The query cache is off, because token
    filters are used once and only pollute it.
    """
    own: dict[str, Any] = {
        "id": {"type": "keyword", "index": False},
        "chunk": {"type": "integer", "index": False},
        "row": {"type": "long", "index": False},
        "change": {"type": "long"},
        "partition": {"type": "keyword"},
    }
    properties: dict[str, Any] = {**fields}
    for vector in meta.vectors:
        properties[vector.column] = vector.strategy.flat_field()
        _add_fields(own, vector.strategy.own_fields())
    properties["airlsh"] = {"properties": own}
    settings: dict[str, Any] = {
        "index.number_of_shards": shards,
        "index.number_of_replicas": replicas,
        "index.refresh_interval": "-1",
        "index.queries.cache.enabled": False,
        "index.gc_deletes": _GC_DELETES,
        "index.mapping.coerce": False,
    }
    sorted_by = [path for vector in meta.vectors for path in vector.strategy.sort_fields()]
    if sorted_by:
        settings["index.sort.field"] = sorted_by
        settings["index.sort.order"] = ["asc"] * len(sorted_by)
    mappings = {"dynamic": "strict", "_meta": meta.to_json(), "properties": properties}
    # The fields of the mapping, and some for live changes. The server's own limit is 1,000.
    settings["index.mapping.total_fields.limit"] = field_count(mappings) + SPARE_FIELDS
    return {"settings": settings, "mappings": mappings}


def _add_fields(own: dict[str, Any], added: Mapping[str, Mapping[str, Any]]) -> None:
    """Add fields to `own`; fields of existing objects are merged."""
    for name, mapped in added.items():
        if "properties" in mapped and name in own:
            own[name] = {"properties": {**own[name]["properties"], **mapped["properties"]}}
        else:
            own[name] = mapped
