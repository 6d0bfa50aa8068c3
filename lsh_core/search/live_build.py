"""The build behind a name: its index, its model, and how its vectors are searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.indexing.field_types import text_fields
from lsh_core.indexing.mapping import META_KEY, BuildMeta, VectorField
from lsh_core.indexing.runs import RunStore
from lsh_core.models.contract import LSHModel
from lsh_core.models.store import find_model, read_model
from lsh_core.search.recall_curve import RecallCurve

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class ResolvedBuild:
    """One physical index, ready to be searched.

    Attributes
    ----------
    columns
        The fields that its documents may have, airlsh's own left out.
    text_fields
        Those of them that are full text; inside an object by their whole path.
    curve
        Its recall by effort; None of a build that was not measured.
    """

    index: str
    meta: BuildMeta
    shards: int
    model: LSHModel
    columns: tuple[str, ...] = ()
    text_fields: tuple[str, ...] = ()
    curve: RecallCurve | None = None

    @property
    def field(self) -> VectorField:
        """The vector column that is searched."""
        return self.meta.vectors[0]


def read_build(connection: Connection, client: Elasticsearch, name: str, index: str) -> ResolvedBuild:
    """Read what `index` says of itself, and its model.

    Raises
    ------
    NotFoundError
        There is no such index, or airlsh did not build it.
    ModelMismatchError
        The stored model is not the one that the index was built with.
    """
    from elasticsearch import NotFoundError as Missing

    try:
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        settings = client.indices.get_settings(index=index, flat_settings=True)[index]["settings"]
    except Missing:
        raise NotFoundError("index", index, f"`airlsh builds list {name}` shows those of {name}") from None
    if META_KEY not in mapping.get("_meta", {}):
        raise NotFoundError("airlsh index", index, "its _meta does not say that airlsh built it")
    meta = BuildMeta.from_json(mapping["_meta"])
    field = meta.vectors[0]
    stored = find_model(client, meta.name, field.model_id)
    if stored.fingerprint != field.fingerprint:
        raise ModelMismatchError(f"model {field.fingerprint}", f"{stored.fingerprint}", f"index {index}")
    model = read_model(connection, meta.name, field.model_id)
    columns = {column: mapping["properties"][column] for column in sorted(set(mapping["properties"]) - {META_KEY})}
    record = RunStore(client).find(meta.name, meta.build) or {}
    curve = RecallCurve.from_json(record.get("recall_curve"))
    shards = int(settings["index.number_of_shards"])
    return ResolvedBuild(index, meta, shards, model, tuple(columns), text_fields(columns), curve)
