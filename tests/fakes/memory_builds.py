"""Builds in a `MemoryServer`, as an index run leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lsh_core.builds.mapping import BuildMeta, build_body
from lsh_core.builds.names import closed_alias, physical_index
from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.elastic.cluster import Cluster
from lsh_core.models.contract import LSHModel
from lsh_core.models.fingerprint import fingerprint
from lsh_core.models.hyperplane import Hyperplane
from lsh_core.models.store import store_model
from tests.fakes.memory_server import MemoryServer
from tests.fakes.vector_fields import table_field

DIMS = 3
MODEL = Hyperplane(metric="l2", tables=2, bits=2).fit(np.eye(8, DIMS, dtype=np.float32))


def make_build(
    server: MemoryServer,
    name: str,
    build: str,
    rows: Mapping[str, int],
    *,
    aliases: Iterable[str] = (),
    model: LSHModel = MODEL,
) -> str:
    """Make a verified build of `rows`, ids with what their column `value` holds; return its index."""
    digest = fingerprint(model)
    store_model(Cluster(server), name, model, {})  # type: ignore[arg-type]
    field = table_field(
        dims=DIMS, model_id=f"{name}-{digest[:12]}", fingerprint=digest, token_width=2, column="v", metric="l2"
    )
    meta = BuildMeta(name, build, "memory", "", (field,), "1", id_column="id")
    body = build_body(meta, {"value": {"type": "long"}}, shards=1, replicas=0)
    index = physical_index(name, build)
    server.create(index=index, aliases=[closed_alias(build, 1), *aliases], mappings=body["mappings"])
    for place, id in enumerate(sorted(rows)):
        server._write(index, id, {"value": rows[id], "airlsh": {"chunk": 0, "row": place}}, place)
    BuildRecords(Cluster(server)).start(name, build, index=index, state=BuildState.VERIFIED, model_id=field.model_id)  # type: ignore[arg-type]
    return index


def row(id: str, value: Any) -> dict[str, Any]:
    """Return a row of such a build."""
    return {"id": id, "v": [1.0, 2.0, 3.0], "value": value}
