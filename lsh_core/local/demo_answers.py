"""Results of the demo: recall, and neighbours of well-known packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from lsh_core.evaluation.recall import recall_at_k
from lsh_core.exact.nearest_rows import exact_neighbours

if TYPE_CHECKING:
    from lsh_core.search.results import SearchResult
    from lsh_core.search.vector_index import VectorIndex

DESCRIPTION_WIDTH = 72


@dataclass(frozen=True)
class Packages:
    """Indexed rows of the demo.

    Attributes
    ----------
    vectors
        (n, d) float32 of unit length.
    """

    ids: list[str]
    descriptions: list[str]
    vectors: npt.NDArray[np.float32]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the columns ``id``, ``description`` and ``embedding`` of a Parquet file."""
        import pyarrow.parquet as pq

        table = pq.read_table(file, columns=["id", "description", "embedding"])
        vectors = np.array(table.column("embedding").to_pylist(), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        ids, descriptions = (list(map(str, table.column(name).to_pylist())) for name in ("id", "description"))
        return cls(ids, descriptions, vectors)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each id."""
        return {id: row for row, id in enumerate(self.ids)}

    def distances(self, query: int, rows: Sequence[int]) -> list[float]:
        """Return the cosine distances from row `query` to `rows`."""
        distances: list[float] = (1 - self.vectors[list(rows)] @ self.vectors[query]).tolist()
        return distances


def measured_recall(index: VectorIndex, packages: Packages, *, queries: int, k: int = 10) -> float:
    """Return the mean recall@`k` of `queries` random rows.

    Each query is excluded from its own result. The ground truth is computed from the file, not by the server.
    """
    chosen = np.random.default_rng(0).choice(len(packages.ids), queries, replace=False).tolist()
    nearest, _ = exact_neighbours(packages.vectors, packages.vectors[chosen], k + 1, "cosine")
    results = index.search_many(packages.vectors[chosen], k=k + 1, fields=())
    found, exact = [], []
    for query, result, near in zip(chosen, results, nearest.tolist(), strict=True):
        found.append([row for row in map(packages.row_of.__getitem__, result.ids) if row != query][:k])
        exact.append([row for row in near if row != query][:k])
    recall = recall_at_k(
        found,
        exact,
        found_distances=[packages.distances(*pair) for pair in zip(chosen, found, strict=True)],
        exact_distances=[packages.distances(*pair) for pair in zip(chosen, exact, strict=True)],
    )
    return float(recall.mean())


def neighbour_lines(index: VectorIndex, packages: Packages, wanted: Sequence[str], *, k: int) -> Iterator[str]:
    """Yield a small table of neighbours for each of the ids `wanted`."""
    for id in wanted:
        yield ""
        yield f"{id}: {_shortened(packages.descriptions[packages.row_of[id]])}"
        yield from result_lines(index.search(id=id, k=k, fields=("description",)))


def result_lines(result: SearchResult) -> Iterator[str]:
    """Yield a line for each neighbour: rank, distance, id and description."""
    width = max((len(neighbour.id) for neighbour in result.neighbours), default=0)
    for near in result.neighbours:
        yield f"  {near.rank:>2}  {near.distance:.3f}  {near.id:{width}}  {_shortened(near.fields['description'])}"


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION_WIDTH else text[: DESCRIPTION_WIDTH - 1].rstrip() + "…"
