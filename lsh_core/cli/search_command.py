"""``airlsh search``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lsh_core.cli.options import make_settings, server_options, settings_options
from lsh_core.cli.result_lines import result_lines
from lsh_core.cli.session import print_json, reported, services
from lsh_core.errors import InputError, SettingsError
from lsh_core.settings import SearchSettings

if TYPE_CHECKING:
    from lsh_core.search.results import SearchResult
    from lsh_core.search.vector_index import VectorIndex


_TARGETS = ("id", "vector", "vectors", "text", "image")


@click.command()
@settings_options(SearchSettings)
@server_options()
def search(es: str | None, as_json: bool, **values: Any) -> None:
    """Find nearest neighbours in NAME.

    The target is a stored row (--id), a vector, a text or an image.
    """
    with reported(as_json=as_json):
        from lsh_core.search.query_encoder import QueryEncoder
        from lsh_core.search.vector_index import VectorIndex

        settings = make_settings(SearchSettings, values)
        if sum(getattr(settings, each) is not None for each in _TARGETS) != 1:
            raise InputError(_not_one_target(settings))
        index = VectorIndex(
            settings.name,
            services(es).connection,
            encoder=QueryEncoder(settings.weights),
            wait_seconds=settings.wait_seconds,
        )
        results = list(_results(index, settings))
        if settings.output is not None:
            from lsh_core.search.result_file import write_results

            write_results(settings.output, results, matched=settings.match is not None)
        if as_json:
            print_json([result.to_json() for result in results])
        elif settings.output is None:
            click.echo("\n".join(result_lines(results)))
        else:
            count = sum(len(result.neighbours) for result in results)
            neighbours = "1 neighbour" if count == 1 else f"{count:,} neighbours"
            queries = "1 query" if len(results) == 1 else f"{len(results):,} queries"
            click.echo(f"{settings.output}: {neighbours} of {queries}, as Parquet")


def _not_one_target(settings: SearchSettings) -> str:
    """Return the advice for a search without exactly one target."""
    given = [f"--{each}" for each in _TARGETS if getattr(settings, each) is not None]
    one = "give one of --id, --vector, --vectors, --text and --image"
    if given:
        return f"{', '.join(given)} are several targets: {one}"
    if settings.match is not None:
        return f"--match says which words to look for beside a target: {one} as well"
    return f"nothing to search {settings.name} for: {one}"


def _results(index: VectorIndex, settings: SearchSettings) -> Iterable[SearchResult]:
    from lsh_core.progress import progress
    from lsh_core.search.filters.grammar import parse_filter
    from lsh_core.search.query_file import read_query_vectors

    options: dict[str, Any] = {
        "match": settings.match,
        "match_weight": settings.match_weight,
        "match_fields": settings.match_field,
        "fusion": settings.fusion,
        "k": settings.k,
        "recall": settings.recall,
        "exact": settings.exact,
        "filter": parse_filter(settings.filter) if settings.filter is not None else None,
        "fields": settings.fields,
        **settings.effort,
    }
    if settings.vectors is None:
        vector = None if settings.vector is None else _numbers(settings.vector)
        yield index.search(vector, id=settings.id, text=settings.text, image=settings.image, **options)
        return
    vectors = read_query_vectors(settings.vectors)
    with progress("search", total=len(vectors), unit="queries") as meter:
        for result in index.search_many(vectors, **options):
            meter.advance(1)
            yield result


def _numbers(text: str) -> list[float]:
    """Return the numbers of a vector, separated by commas, with or without brackets."""
    try:
        return [float(number) for number in text.strip().removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        raise SettingsError("vector", text[:40], "must be numbers with commas between them") from None
