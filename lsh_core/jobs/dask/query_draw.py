"""Draws the queries of a build's recall measurement from its source, on Dask workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.loading.source_queries import SourceQueries
from lsh_core.progress import progress
from lsh_core.sources.query_rows import plan_query_rows
from lsh_core.sources.reading import check_unchanged
from lsh_core.sources.sampling import SamplePart, read_sampled_rows
from lsh_core.sources.source_file import SourceFile
from lsh_core.sources.validation import validate_rows

if TYPE_CHECKING:
    from distributed import Client

    from lsh_core.builds.mapping import VectorField

Drawn: TypeAlias = tuple[npt.NDArray[np.int64], list[str], npt.NDArray[np.float32]]


def draw_queries(
    dask: Client,
    files: Sequence[SourceFile],
    size: int,
    *,
    id_column: str,
    field: VectorField,
    check: Callable[[], None],
    seed: int = 0,
) -> SourceQueries:
    """Draw up to `size` rows with a valid id and vector; the same seed draws the same rows.

    Parameters
    ----------
    check
        Called several times a second; an error that it raises ends the draw.
    """
    parts = plan_query_rows(files, size, seed) if any(file.rows for file in files) else []
    found: list[Drawn] = [(np.empty(0, np.int64), [], np.empty((0, field.dims), np.float32))]
    with progress("draw queries", unit="parts", total=len(parts)) as meter:
        futures = [
            dask.submit(
                _read_part, files[part.file], part, id_column, field.column, field.dims, field.metric, pure=False
            )
            for part in parts
        ]
        for future in follow_futures(dask, futures, check=check):
            found.append(future.result())
            meter.advance(1)
    rows, vectors = np.concatenate([rows for rows, *_ in found]), np.concatenate([each for *_, each in found])
    ids = [id for _, some, _ in found for id in some]
    order = np.argsort(rows)[np.random.default_rng(seed).permutation(len(rows))]  # Parts arrive in any order.
    return SourceQueries(rows[order], tuple(ids[at] for at in order.tolist()), vectors[order])


def _read_part(file: SourceFile, part: SamplePart, id_column: str, vector: str, dims: int, metric: str) -> Drawn:
    """Read the valid rows of a part. Runs on a worker."""
    check_unchanged(file)
    rows, ids, vectors = [np.empty(0, np.int64)], list[str](), [np.empty((0, dims), np.float32)]
    for offsets, table in read_sampled_rows(file, part, list(dict.fromkeys((id_column, vector)))):
        valid = validate_rows(table, id=id_column, vector=vector, dims=dims, metric=metric)
        rows.append(file.first_row_number + offsets[valid.offsets])
        ids += valid.ids
        vectors.append(valid.vectors)
    return np.concatenate(rows), ids, np.concatenate(vectors)
