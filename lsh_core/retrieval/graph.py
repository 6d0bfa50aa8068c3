"""Retrieval by the server's own graph (``hnsw``) of the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import orjson

from lsh_core.models.contract import LSHModel
from lsh_core.models.effort import Effort
from lsh_core.retrieval.contract import Retrieval
from lsh_core.retrieval.query import Filter, Query, Target, Vector, by_vector, excluding, request_body


@dataclass(frozen=True)
class GraphQuery(Query):
    """Search of a graph; the server does not report the number of scored rows."""

    def pooled(self, pool: int) -> Self:
        """Return the same search for `pool` hits, or all rows that the graph search keeps."""
        pooled = super().pooled(pool)
        knn = {**self.body["query"]["knn"], "k": pooled.body["size"]}
        return replace(pooled, body={**pooled.body, "query": {"knn": knn}})

    def rows_scored(self, matching: int) -> int | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class Graph(Retrieval):
    """Graph of a second copy of the vectors.

    The effort is the number of rows that the search of each shard keeps. On a field with a graph, a query is exact only
    if at most 10,000 rows pass its filter, and a scan of 63,666 rows in such parts took as long as ten searches of the
    graph. So the graph is a second field. The server supports neither multi-fields nor ``copy_to`` for vectors, so each
    row is sent with two copies, which doubles its bytes. The type is ``hnsw``, never a quantised one.

    Attributes
    ----------
    m, ef_construction
        Options of the server's graph.
    """

    name: ClassVar[str] = "graph"
    effort_unit: ClassVar[str] = "num_candidates"
    favours_own_rows: ClassVar[bool] = True

    m: int = 16
    ef_construction: int = 100

    @classmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the model's options of the server's graph."""
        return dict(model.graph)

    @property
    def graph_path(self) -> str:
        """Name of the field with the graph."""
        return f"airlsh.graph.{self.column.name}"

    @property
    def vector_paths(self) -> tuple[str, ...]:
        """The vector itself, and the copy with the graph."""
        return self.column.name, self.graph_path

    def own_fields(self) -> dict[str, Any]:
        """Map the copy with the graph."""
        options = {"type": "hnsw", "m": self.m, "ef_construction": self.ef_construction}
        return {"graph": {"properties": {self.column.name: self.dense_field(options)}}}

    def row_parts(self, tokens: npt.NDArray[np.int64], near: npt.NDArray[np.int64] | None) -> list[bytes]:
        """Write no codes."""
        return [b""] * len(tokens)

    @property
    def vector_copy(self) -> tuple[bytes, bytes] | None:
        """Text around the copy of the vector."""
        return b',"graph":{' + orjson.dumps(self.column.name) + b':"', b'"}'

    def by_vector(
        self,
        vector: Vector,
        tokens: Sequence[str],
        *,
        k: int,
        effort: Effort,
        shards: int,
        query_filter: Filter | None = None,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Search the graph for rows that pass the filter."""
        return self._search(by_vector(vector), query_filter, k=k, effort=effort, fields=fields)

    def by_id(
        self,
        index: str,
        id: str,
        *,
        k: int,
        effort: Effort,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Search the graph with the vector that the server looks up."""
        target = self.stored_vector(index, id)
        return self._search(target, excluding(id), k=k, effort=effort, fields=fields)

    def _stored_is_enough(self, effort: Effort) -> bool:
        """Return True: the graph needs the vector alone."""
        return True

    def measured_range(self, k: int, rows: int, default: float) -> tuple[float, float]:
        """Return the range that starts at the model's effort.

        Neighbours of indexed rows are easier to find: over 63,166 text embeddings, 12 candidates found .95 of the
        neighbours of indexed rows, but .90 of those of held-out queries. So no smaller effort is chosen.
        """
        _, maximum = self.effort_range(k, rows)
        return min(maximum, default), maximum

    def _search(
        self, target: Target, among: Filter | None, *, k: int, effort: Effort, fields: Sequence[str] | None
    ) -> GraphQuery:
        """Return the search of the graph, which keeps `effort` rows per shard."""
        kept = max(k, effort.whole)
        knn: dict[str, Any] = {"field": self.graph_path, "k": k, "num_candidates": kept, **target}
        if among is not None:
            knn["filter"] = among
        return GraphQuery(request_body({"knn": knn}, k, fields), "graph", max_hits=kept)

    def _scaled_effort(self, effort: Effort, *, rows: int, passing: int, default: float) -> Effort | None:
        """Return the same effort: the server continues until enough rows pass."""
        return effort
