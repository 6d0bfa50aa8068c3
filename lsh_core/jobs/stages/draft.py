"""Draft of a build's index, which the server validates before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lsh_core.builds.field_limits import check_field_count
from lsh_core.builds.mapping import BuildMeta, VectorField, build_body, default_shards
from lsh_core.builds.names import physical_index
from lsh_core.elastic.capacity import require_room
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.index_creation import creatable, try_body
from lsh_core.metrics import metric_named
from lsh_core.models.registry import load_model, model_class
from lsh_core.retrieval.registry import retrieval_of
from lsh_core.settings import IndexSettings

if TYPE_CHECKING:
    from lsh_core.models.store import StoredModel

_NUMBER_BYTES = 4


def check_index(
    cluster: Cluster,
    settings: IndexSettings,
    build: str,
    stored: StoredModel,
    fields: Mapping[str, Mapping[str, Any]],
    *,
    rows: int,
    nodes: int,
) -> None:
    """Raise an error if the server would refuse or change the index of the build.

    Raises
    ------
    SourceError
        The index would have too many fields.
    IndexTemplateError
        An index template of the cluster would break it.
    CapacityError
        The cluster has no room for it.
    RequestRefusedError
        The server refuses it for another reason.
    """
    index = physical_index(settings.name, build)
    if cluster.run(lambda client: client.indices.exists(index=index)):  # From an earlier try of the same run.
        return
    vector = _draft_vector(settings, stored)
    shards, replicas = shape(settings, vector, rows=rows, nodes=nodes)
    meta = BuildMeta(settings.name, build, settings.source, "", (vector,), "", id_column=settings.id)
    body = build_body(meta, fields, shards=shards, replicas=replicas)
    check_field_count(settings.source, body["mappings"])
    copies = 1 + replicas
    stored_bytes = rows * vector.dims * _NUMBER_BYTES * len(vector.vector_paths) * min(copies, nodes)
    require_room(cluster, shards=shards * copies, stored_bytes=stored_bytes)
    try_body(cluster, index, creatable(cluster, index, body))


def shape(settings: IndexSettings, vector: VectorField, *, rows: int, nodes: int) -> tuple[int, int]:
    """Return the numbers of primary shards and of replicas of a build."""
    shards = settings.shards or default_shards(rows, vector.dims * len(vector.vector_paths), nodes)
    return shards, settings.replicas if settings.replicas is not None else int(nodes > 1)


def _draft_vector(settings: IndexSettings, stored: StoredModel) -> VectorField:
    """Return the vector field of a model without its arrays.

    Strategy parameters that follow from arrays do not affect the mapping.
    """
    strategy = retrieval_of(model_class(stored.model))
    parameters: dict[str, Any] = {}
    if not stored.arrays:
        parameters = strategy.parameters_of(load_model(stored.model, dict(stored.params), {}), stored.fingerprint)
    return VectorField(
        column=settings.vector,
        dims=stored.dims,
        metric=stored.metric,
        similarity=metric_named(stored.metric).similarity,
        model_id=stored.model_id,
        fingerprint=stored.fingerprint,
        model=stored.model,
        effort=0,
        retrieval=strategy.name,
        retrieval_parameters=parameters,
    )
