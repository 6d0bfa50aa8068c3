"""Answers of a search as people and machines read them. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsh_core.search.answers import Answer, Neighbour

_WIDEST_FIELD = 60


def as_rows(answers: Sequence[Answer]) -> list[list[dict[str, Any]]]:
    """Return, for each query, a dict of each neighbour.

    With ``query, rank, id, distance, score, fields, build, path, scored``, and of a search by a text as well with
    ``text_score``.
    """
    return [
        [
            {
                "query": query,
                **asdict(neighbour),
                "build": answer.build,
                "path": answer.path,
                "scored": answer.scored,
            }
            for neighbour in answer.neighbours
        ]
        for query, answer in enumerate(answers)
    ]


def as_lines(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield a line for each query and one for each of its neighbours."""
    from lsh_core.search.answers import HybridAnswer

    for query, answer in enumerate(answers):
        columns = "; score, distance, text score" if isinstance(answer, HybridAnswer) else ""
        yield f"query {query} ({len(answer.neighbours)} neighbours, {_way(answer)}, build {answer.build}{columns})"
        for neighbour in answer.neighbours:
            fields = "  ".join(_short(value) for value in neighbour.fields.values())
            yield f"  {neighbour.rank:3d}  {_numbers(neighbour)}  {neighbour.id}  {fields}".rstrip()


def _numbers(neighbour: Neighbour) -> str:
    from lsh_core.search.answers import HybridNeighbour

    if isinstance(neighbour, HybridNeighbour):
        return f"{neighbour.score:.4f}  {neighbour.distance:10.4f}  {neighbour.text_score:8.4f}"
    return f"{neighbour.distance:10.4f}"


def _way(answer: Answer) -> str:
    if answer.path == "text":
        return "by text alone"
    if answer.scored is None:
        return f"by {answer.path}"
    return f"{answer.scored:,} rows scored " + ("exactly" if answer.path == "exact" else f"by {answer.path}")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST_FIELD else text[: _WIDEST_FIELD - 1] + "…"
