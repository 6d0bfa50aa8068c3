"""Parquet files made for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq


def clustered(rows: int, dims: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Vectors around 40 centres, as embeddings are: (rows, dims) float32."""
    centres = np.random.default_rng(12345).normal(size=(40, dims)) * 3
    generator = np.random.default_rng(seed)
    owners = generator.integers(len(centres), size=rows)
    return (centres[owners] + generator.normal(size=(rows, dims))).astype(np.float32)


def write_source(
    path: Path, ids: list[Any], vectors: npt.NDArray[np.float32], *, row_group: int = 1_000_000, **columns: Any
) -> str:
    """Write ids, vectors and other columns; return the path."""
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    pq.write_table(pa.table({"id": ids, "embedding": embedding, **columns}), path, row_group_size=row_group)
    return str(path)


def exact_ids(ids: list[str], vectors: npt.NDArray[np.float32], query: npt.NDArray[np.float32], k: int) -> set[str]:
    """The ids of the k rows nearest to `query` by Euclidean distance."""
    gaps = np.square(vectors.astype(np.float64) - query).sum(axis=1)
    return {ids[row] for row in np.argsort(gaps, kind="stable")[:k]}
