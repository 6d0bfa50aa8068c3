"""Answers as a Parquet file: one row a neighbour."""

from __future__ import annotations

from collections.abc import Sequence

from lsh_core.search.answers import Answer, HybridAnswer, HybridNeighbour
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.writable_folders import write_whole


def write_answers(path: str, answers: Sequence[Answer]) -> None:
    """Write ``query`` (row number), ``rank``, ``id``, ``distance`` and ``score`` of every neighbour to `path`.

    Of searches by a text as well also ``text_score``. The file appears whole: whoever reads it while it is written
    anew finds the former answers.
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
    filesystem, place = open_filesystem(path)
    data = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), data)
    with translate_errors(path, "cannot be written", local=is_local(filesystem)):
        write_whole(filesystem, place, data.getvalue().to_pybytes())
