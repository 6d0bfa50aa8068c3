"""Answers as a Parquet file: one row a neighbour."""

from __future__ import annotations

from collections.abc import Sequence

from lsh_core.errors import SourceError
from lsh_core.search.answers import Answer, HybridAnswer, HybridNeighbour


def write_answers(path: str, answers: Sequence[Answer]) -> None:
    """Write ``query`` (row number), ``rank``, ``id``, ``distance`` and ``score`` of every neighbour to `path`.

    Of searches by a text as well also ``text_score``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(query, neighbour) for query, answer in enumerate(answers) for neighbour in answer.neighbours]
    columns = {
        "query": pa.array([query for query, _ in rows], pa.int64()),
        "rank": pa.array([neighbour.rank for _, neighbour in rows], pa.int32()),
        "id": pa.array([neighbour.id for _, neighbour in rows], pa.string()),
        "distance": pa.array([neighbour.distance for _, neighbour in rows], pa.float64()),
        "score": pa.array([neighbour.score for _, neighbour in rows], pa.float64()),
    }
    texts = [neighbour.text_score for _, neighbour in rows if isinstance(neighbour, HybridNeighbour)]
    if any(isinstance(answer, HybridAnswer) for answer in answers):
        columns["text_score"] = pa.array(texts, pa.float64())
    try:
        pq.write_table(pa.table(columns), path)
    except OSError as error:
        raise SourceError(path, f"cannot be written: {error}") from error
