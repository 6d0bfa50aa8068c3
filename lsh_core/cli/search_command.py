"""``airlsh search``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lsh_core.cli.answer_lines import as_lines, as_rows
from lsh_core.cli.options import make_settings, server_options, settings_options
from lsh_core.cli.session import print_json, reported, services
from lsh_core.errors import InputError, SettingsError
from lsh_core.settings import SearchSettings

if TYPE_CHECKING:
    from lsh_core.search.answers import Answer
    from lsh_core.search.vector_index import VectorIndex


_QUERIES = ("id", "vectors", "encode_text", "image")
_OF_A_TEXT = ("text_weight", "fusion", "text_field")


@click.command()
@settings_options(SearchSettings)
@server_options()
def search(es: str | None, as_json: bool, **values: Any) -> None:
    """Find the nearest neighbours of a stored row (--id), vectors, a text or an image in NAME, by a --text as well."""
    with reported(as_json=as_json):
        from lsh_core.search.query_encoder import QueryEncoder
        from lsh_core.search.vector_index import VectorIndex

        settings, fields = make_settings(SearchSettings, values), SearchSettings.model_fields
        if sum(getattr(settings, each) is not None for each in _QUERIES) != 1:
            raise InputError(_no_query(settings))
        if settings.text is None and any(getattr(settings, each) != fields[each].default for each in _OF_A_TEXT):
            raise SettingsError("text", None, "--text-weight, --fusion and --text-field say what is done with a --text")
        searcher = VectorIndex(
            services(es).connection,
            settings.name,
            encoder=QueryEncoder(settings.weights),
            wait_seconds=settings.wait_seconds,
        )
        answers = list(_ask(searcher, settings))
        if settings.output is not None:
            from lsh_core.search.answer_file import write_answers

            write_answers(settings.output, answers)
        if as_json:
            print_json(as_rows(answers))
        elif settings.output is None:
            click.echo("\n".join(as_lines(answers)))
        else:
            rows = sum(len(answer.neighbours) for answer in answers)
            queries = "1 query" if len(answers) == 1 else f"{len(answers):,} queries"
            click.echo(f"{settings.output}: {rows:,} neighbours of {queries}, as Parquet")


def _no_query(settings: SearchSettings) -> str:
    """Return what to give where there is not exactly one query."""
    given = [f"--{each.replace('_', '-')}" for each in _QUERIES if getattr(settings, each) is not None]
    one = "give one of --id, --vectors, --encode-text and --image"
    if given:
        return f"{', '.join(given)} are several queries: {one}"
    if settings.text is not None:
        return f"--text says which words the rows should have beside a query: {one} as well (--encode-text for a text)"
    return f"nothing to search {settings.name} for: {one}"


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
    if settings.text is not None:
        how |= {
            "text_weight": settings.text_weight,
            "fusion": settings.fusion,
            "text_fields": settings.text_field,
        }
    if settings.id is not None:
        if settings.text is None:
            yield searcher.search_id(settings.id, **how)
        else:
            yield searcher.search_hybrid(settings.text, identity=settings.id, **how)
        return
    if settings.vectors is None:
        how |= {"text_query": settings.encode_text, "image": settings.image}
        yield searcher.search(**how) if settings.text is None else searcher.search_hybrid(settings.text, **how)
        return
    vectors = read_query_vectors(settings.vectors)
    answers: Iterable[Answer]
    if settings.text is None:
        answers = searcher.search_many(vectors, **how)
    else:
        answers = (searcher.search_hybrid(settings.text, vector=vector, **how) for vector in vectors)
    with progress("search", total=len(vectors), unit="queries") as meter:
        for answer in answers:
            meter.advance(1)
            yield answer
