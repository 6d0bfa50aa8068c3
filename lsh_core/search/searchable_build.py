"""Reads a searchable build: index, model and retrieval strategy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import NotFoundError as Missing

from lsh_core.builds.field_types import field_paths, multi_fields, text_fields
from lsh_core.builds.mapping import META_KEY, BuildMeta, VectorField
from lsh_core.builds.records import BuildRecords
from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import ModelMismatchError, NotFoundError
from lsh_core.models.contract import LSHModel
from lsh_core.models.store import find_model, read_model
from lsh_core.search.recall_curve import RecallCurve


@dataclass(frozen=True)
class SearchableBuild:
    """A physical index that is ready for searches.

    Attributes
    ----------
    text_fields
        Full-text fields; inside an object by their whole path.
    mapping
        Mapping of each field by its path, with objects and multi-fields such as ``title.keyword``, without airlsh's own
        fields.
    curve
        Recall by effort; None for a build that was not measured.
    """

    index: str
    meta: BuildMeta
    shards: int
    model: LSHModel
    text_fields: tuple[str, ...] = ()
    mapping: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    curve: RecallCurve | None = None

    @property
    def field(self) -> VectorField:
        """Vector column that is searched."""
        return self.meta.vectors[0]


def read_build(cluster: Cluster, name: str, index: str) -> SearchableBuild:
    """Read the metadata of `index`, and its model.

    Raises
    ------
    NotFoundError
        The index does not exist, or airlsh did not build it.
    ModelMismatchError
        The stored model differs from the model of the index.
    """
    try:
        mapping = cluster.run(lambda client: client.indices.get_mapping(index=index))[index]["mappings"]
        found = cluster.run(lambda client: client.indices.get_settings(index=index, flat_settings=True))
        settings = found[index]["settings"]
    except (Missing, KeyError):  # For an alias, the response has the name of its index.
        raise NotFoundError("index", index, f"`airlsh builds list {name}` shows those of {name}") from None
    if META_KEY not in mapping.get("_meta", {}):
        raise NotFoundError("airlsh index", index, "its _meta does not say that airlsh built it")
    meta = BuildMeta.from_json(mapping["_meta"])
    field = meta.vectors[0]
    stored = find_model(cluster, meta.name, field.model_id)
    if stored.fingerprint != field.fingerprint:
        raise ModelMismatchError(f"model {field.fingerprint}", f"{stored.fingerprint}", f"index {index}")
    model = read_model(cluster, meta.name, field.model_id)
    columns = {column: mapping["properties"][column] for column in sorted(set(mapping["properties"]) - {META_KEY})}
    record = BuildRecords(cluster).find(meta.name, meta.build)
    curve = RecallCurve.from_json(None if record is None else record.recall_curve)
    shards = int(settings["index.number_of_shards"])
    paths = {**field_paths(columns), **multi_fields(columns)}
    return SearchableBuild(index, meta, shards, model, text_fields(columns), paths, curve)
