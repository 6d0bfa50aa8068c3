"""Renders search results as lines of text. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsh_core.search.results import Neighbour, SearchResult

_MAX_FIELD_CHARACTERS = 60


def result_lines(results: Sequence[SearchResult]) -> Iterator[str]:
    """Yield a line for each query and one for each of its neighbours."""
    for query, result in enumerate(results):
        matched = any(neighbour.match_score is not None for neighbour in result.neighbours)
        columns = "; score, distance, match score" if matched else ""
        found = f"{len(result.neighbours)} neighbours, {_strategy(result)}, build {result.build}{columns}"
        yield f"query {query} ({found})"
        for neighbour in result.neighbours:
            fields = "  ".join(_short(value) for value in neighbour.fields.values())
            yield f"  {neighbour.rank:3d}  {_numbers(neighbour)}  {neighbour.id}  {fields}".rstrip()


def _numbers(neighbour: Neighbour) -> str:
    if neighbour.match_score is not None:
        return f"{neighbour.score:.4f}  {neighbour.distance:10.4f}  {neighbour.match_score:8.4f}"
    return f"{neighbour.distance:10.4f}"


def _strategy(result: SearchResult) -> str:
    if result.strategy == "match":
        return "by words alone"
    if result.rows_scored is None:
        return f"by {result.strategy}"
    return f"{result.rows_scored:,} rows scored " + (
        "exactly" if result.strategy == "exact" else f"by {result.strategy}"
    )


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _MAX_FIELD_CHARACTERS else text[: _MAX_FIELD_CHARACTERS - 1] + "…"
