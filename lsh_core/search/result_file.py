"""Writes search results as a Parquet file, one row per neighbour."""

from __future__ import annotations

from collections.abc import Sequence

from lsh_core.search.results import SearchResult
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.writable_folders import write_whole


def write_results(path: str, results: Sequence[SearchResult], *, matched: bool = False) -> None:
    """Write ``query`` (row number), ``rank``, ``id``, ``distance`` and ``score`` of every neighbour to `path`.

    The file appears whole: until then readers see the former results.

    Parameters
    ----------
    matched
        Whether the search had words, which adds a column ``match_score``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "rank": pa.int32(),
        "id": pa.string(),
        "distance": pa.float64(),
        "score": pa.float64(),
        **({"match_score": pa.float64()} if matched else {}),
    }
    rows = [(query, row.to_json()) for query, result in enumerate(results) for row in result.neighbours]
    table = pa.table(
        {
            "query": pa.array([query for query, _ in rows], pa.int64()),
            **{name: pa.array([row[name] for _, row in rows], kind) for name, kind in columns.items()},
        }
    )
    filesystem, place = open_filesystem(path)
    data = pa.BufferOutputStream()
    pq.write_table(table, data)
    with translate_errors(path, "cannot be written", local=is_local(filesystem)):
        write_whole(filesystem, place, data.getvalue().to_pybytes())
