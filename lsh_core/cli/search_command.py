"""``airlsh search``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lsh_core.cli.options import make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.errors import SettingsError
from lsh_core.settings import SearchSettings

if TYPE_CHECKING:
    from lsh_core.search.answers import Answer
    from lsh_core.search.vector_index import VectorIndex

_WIDEST_FIELD = 60


@click.command()
@settings_options(SearchSettings)
@server_options()
def search(es: str | None, as_json: bool, **values: Any) -> None:
    """Find the nearest neighbours of a stored row (--id) or of vectors (--vectors) in NAME."""
    with reported(as_json=as_json):
        from lsh_core.search.vector_index import VectorIndex

        settings = make_settings(SearchSettings, values)
        if (settings.id is None) == (settings.vectors is None):
            raise SettingsError("search", settings.name, "give either --id or --vectors")
        searcher = VectorIndex(services(es).connection, settings.name)
        answers = list(_ask(searcher, settings))
        if settings.output is not None:
            from lsh_core.search.answer_file import write_answers

            write_answers(settings.output, answers)
        if as_json:
            print_json([_rows(query, answer) for query, answer in enumerate(answers)])
        elif settings.output is None:
            click.echo("\n".join(_lines(answers)))


def _ask(searcher: VectorIndex, settings: SearchSettings) -> Iterable[Answer]:
    from lsh_core.progress import progress
    from lsh_core.search.filters import parse_filter
    from lsh_core.search.query_file import read_query_vectors

    how: dict[str, Any] = {
        "k": settings.k,
        "recall": settings.recall,
        "query_filter": parse_filter(settings.filter) if settings.filter is not None else None,
        "fields": settings.fields,
        **settings.effort,
    }
    if settings.id is not None:
        yield searcher.search_id(settings.id, **how)
        return
    vectors = read_query_vectors(str(settings.vectors))
    with progress("search", total=len(vectors), unit="queries") as meter:
        for answer in searcher.search_many(vectors, **how):
            meter.advance(1)
            yield answer


def _rows(query: int, answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "query": query,
            "rank": neighbour.rank,
            "id": neighbour.id,
            "distance": neighbour.distance,
            "score": neighbour.score,
            "fields": dict(neighbour.fields),
            "build": answer.build,
            "path": answer.path,
            "scored": answer.scored,
        }
        for neighbour in answer.neighbours
    ]


def _lines(answers: list[Answer]) -> Iterable[str]:
    for query, answer in enumerate(answers):
        yield f"query {query} ({len(answer.neighbours)} neighbours, {_way(answer)}, build {answer.build})"
        for neighbour in answer.neighbours:
            fields = "  ".join(_short(value) for value in neighbour.fields.values())
            yield f"  {neighbour.rank:3d}  {neighbour.distance:10.4f}  {neighbour.id}  {fields}".rstrip()


def _way(answer: Answer) -> str:
    if answer.scored is None:
        return f"by {answer.path}"
    return f"{answer.scored:,} rows scored " + ("exactly" if answer.path == "exact" else f"by {answer.path}")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST_FIELD else text[: _WIDEST_FIELD - 1] + "…"
