"""Sources on disk with queries that are not in them, and the true neighbours of these queries.

The rows come from a Parquet file, or are made from a seed: clusters of very different sizes and spreads, which overlap
in an inner space of fewer dimensions, so that a search of few lists misses neighbours. The true neighbours are found
while the rows are written, from float64 differences, without the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.evaluation.ground_truth import GroundTruth
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.exact.nearest_rows import NearestRows

FILE_ROWS, BLOCK, ROW_GROUP = 1_000_000, 100_000, 50_000
K = 10
QUERIES_SEED = 2**31

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Dataset:
    """Source on disk, with queries and their true neighbours.

    Attributes
    ----------
    source
        Folder of Parquet files with `id` and `embedding`.
    rows
        Number of rows.
    """

    source: str
    rows: int
    queries: QuerySet
    truth: GroundTruth


class MadeRows:
    """Seeded generator of rows of the same clusters.

    Parameters
    ----------
    dims
        Numbers in a row.
    inner
        Dimensions of the space in which the clusters lie.
    clusters
        Number of clusters.
    spread
        Median of the standard deviations of the clusters; their centres have a deviation of 1.
    """

    def __init__(self, dims: int, inner: int, clusters: int, spread: float) -> None:
        generator = np.random.default_rng(7)
        self._axes = (generator.normal(size=(inner, dims)) / np.sqrt(inner)).astype(np.float32)
        self._centres = generator.normal(size=(clusters, inner)).astype(np.float32)
        self._scales = generator.lognormal(mean=np.log(spread), sigma=0.5, size=clusters).astype(np.float32)
        weights = generator.pareto(1.2, size=clusters) + 0.05
        self._weights = weights / weights.sum()

    def draw(self, rows: int, seed: int) -> Vectors:
        """Return `rows` rows, (rows, dims)."""
        generator = np.random.default_rng((11, seed))
        owners = generator.choice(len(self._weights), size=rows, p=self._weights)
        inner = generator.standard_normal((rows, self._axes.shape[0]), dtype=np.float32) * self._scales[owners, None]
        noise = generator.standard_normal((rows, self._axes.shape[1]), dtype=np.float32) * np.float32(0.05)
        return (self._centres[owners] + inner) @ self._axes + noise

    def parts(self, rows: int) -> Iterator[Vectors]:
        """Yield `rows` rows in blocks."""
        for number, start in enumerate(range(0, rows, BLOCK)):
            yield self.draw(min(BLOCK, rows - start), number)

    def queries(self, count: int) -> Vectors:
        """Return rows of the same kind that no source has, (count, dims)."""
        return self.draw(count, QUERIES_SEED)


def read_parts(source: str, rows: int | None) -> Iterator[Vectors]:
    """Yield the first `rows` rows of a Parquet file, or all, in blocks."""
    left = rows
    for batch in pq.ParquetFile(source).iter_batches(BLOCK, columns=["embedding"]):
        column = batch.column(0).slice(0, left)
        yield column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
        if left is not None:
            left -= len(column)
            if not left:
                return
    if left:
        raise SystemExit(f"{source} has {(rows or 0) - left} rows, {rows} are wanted")


def write(parts: Iterator[Vectors], queries: Vectors, metric: str, folder: Path) -> Dataset:
    """Write the rows to files of a million each, and find the true neighbours of the queries on the way."""
    folder.mkdir()
    nearest = NearestRows(queries, K, metric, expected=FILE_ROWS)
    writer, files = None, 0
    for vectors in parts:
        first = nearest.seen
        nearest.add(vectors)
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        table = pa.table({"id": pa.array(ids_of(range(first, first + len(vectors)))), "embedding": embedding})
        if writer is None or first >= files * FILE_ROWS:
            if writer is not None:
                writer.close()
            writer = pq.ParquetWriter(folder / f"part-{files:04d}.parquet", table.schema, compression="zstd")
            files += 1
        writer.write_table(table, row_group_size=ROW_GROUP)
    if writer is None:
        raise SystemExit("there are no rows")
    writer.close()
    hashes = hash_ids(ids_of(nearest.rows.ravel().tolist())).reshape(*nearest.rows.shape, 2)
    return Dataset(str(folder), nearest.seen, QuerySet(queries), GroundTruth(hashes, nearest.distances))


def ids_of(numbers: range | list[int]) -> list[str]:
    """Return the ids of rows by their numbers."""
    return [f"row-{number:09d}" for number in numbers]
