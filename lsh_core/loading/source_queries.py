"""Queries of a build's recall measurement, drawn from its source before the load.

They are stored in ``airlsh-recall-queries``: the arrays in parts, and a head, which is written last.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from elasticsearch import NotFoundError

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import QUERIES
from lsh_core.errors import LoadError
from lsh_core.models.serialisation import Part, join_parts, split_parts
from lsh_core.settings import RECALL_NEIGHBOURS

LISTED = 2 * (RECALL_NEIGHBOURS + 1)
"""Number of near rows that a chunk lists at most: the query itself, its neighbours, and as many more."""


@dataclass(frozen=True)
class SourceQueries:
    """Valid rows of the source, in random order.

    Attributes
    ----------
    row_numbers
        (q,) int64
    ids
        q ids
    vectors
        (q, d) float32
    """

    row_numbers: npt.NDArray[np.int64]
    ids: tuple[str, ...]
    vectors: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the queries; lists of near rows belong to it."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        ids = orjson.dumps(self.ids)
        head = np.array([len(self), self.vectors.shape[1], len(ids)], "<u4")
        return b"".join(
            (head.tobytes(), ids, self.row_numbers.astype("<i8").tobytes(), self.vectors.astype("<f4").tobytes())
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> SourceQueries:
        """Read the stored form that `to_bytes` wrote."""
        size, dims, id_bytes = np.frombuffer(data, "<u4", 3).tolist()
        at = 12 + id_bytes
        return cls(
            row_numbers=np.frombuffer(data, "<i8", size, at).astype(np.int64),
            ids=tuple(orjson.loads(data[12:at])),
            vectors=np.frombuffer(data, "<f4", size * dims, at + 8 * size).astype(np.float32).reshape(size, dims),
        )


def store_queries(cluster: Cluster, build: str, queries: SourceQueries) -> None:
    """Store the queries of `build`."""
    parts = list(split_parts(queries.to_bytes()))
    for part in parts:
        _put(cluster, _part_id(build, part.number), {"build": build, **part.to_document()})
    head = {"build": build, "fingerprint": queries.fingerprint, "parts": len(parts)}
    _put(cluster, build, {**head, "drawn_at": datetime.now(UTC).isoformat()})


def stored_fingerprint(cluster: Cluster, build: str) -> str | None:
    """Return the fingerprint of the stored queries of `build`; None without queries."""
    try:
        return str(_get(cluster, build)["fingerprint"])
    except NotFoundError:
        return None


def find_queries(cluster: Cluster, build: str) -> SourceQueries | None:
    """Return the stored queries of `build`; None if head or parts are missing.

    Raises
    ------
    ModelMismatchError
        The content differs from what was stored.
    """
    try:
        count = _get(cluster, build)["parts"]
        parts = [Part.from_document(number, _get(cluster, _part_id(build, number))) for number in range(count)]
    except NotFoundError:
        return None
    return SourceQueries.from_bytes(join_parts(parts, f"the queries of build {build}"))


def read_queries(cluster: Cluster, build: str, fingerprint: str) -> SourceQueries:
    """Return the stored queries of `build`; raise `LoadError` unless they have this fingerprint."""
    queries = find_queries(cluster, build)
    if queries is None or queries.fingerprint != fingerprint:
        raise LoadError(QUERIES, f"queries of build {build}", "they are gone: start a new run without --resume")
    return queries


def _put(cluster: Cluster, id: str, document: dict[str, Any]) -> None:
    cluster.run(lambda client: client.index(index=QUERIES, id=id, document=document))


def _get(cluster: Cluster, id: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.run(lambda client: client.get(index=QUERIES, id=id))["_source"]
    return found


def _part_id(build: str, number: int) -> str:
    return f"{build}:{number}"
