"""Filters on fields that are not there, and commands on names that are not there, on a real node."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from lsh_core.cli.main import main
from lsh_core.elastic.connection import Connection
from lsh_core.errors import (
    FilterError,
    InputError,
    NotFoundError,
    RequestRefusedError,
    RowNotFoundError,
    SettingsError,
    SourceError,
    VectorError,
)
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.live_index import RESOLVE_SECONDS
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

ROWS, DIMS, NAME = 200, 8, "misused"
VECTORS = clustered(ROWS, DIMS)
COLUMNS: dict[str, Any] = {
    "section": ["web" if row % 2 else "net" for row in range(ROWS)],
    "title": [f"Web server {row}" for row in range(ROWS)],
    "small": pa.array([row % 100 for row in range(ROWS)], pa.int8()),
    "day": [dt.date(2026, 1, 1) + dt.timedelta(days=row) for row in range(ROWS)],
    "ok": [row % 4 == 0 for row in range(ROWS)],
    "author": [{"name": f"n{row % 5}", "age": row} for row in range(ROWS)],
    "blob": [b"x"] * ROWS,
    "host": [f"10.0.0.{row}" for row in range(ROWS)],
}


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp(NAME)
    return write_source(folder / "rows.parquet", [f"r{row}" for row in range(ROWS)], VECTORS, **COLUMNS)


@pytest.fixture(scope="module")
def index(services: Services, source: str) -> VectorIndex:
    train(TrainSettings(name=NAME, source=source), services)
    assert run_index(_settings(source), services).promoted
    return VectorIndex(NAME, services.connection)


def _settings(source: str, **other: Any) -> IndexSettings:
    return IndexSettings(name=NAME, source=source, text_field=("title",), field_type=("host=ip",), **other)


FOUND = [
    ({"term": {"section": "web"}}, 100),
    ({"term": {"title.keyword": "Web server 3"}}, 1),
    ({"match": {"title": "server 3"}}, 200),
    ({"range": {"small": {"lt": 300.5}}}, 200),
    ({"terms": {"small": [5, "6", 7.0]}}, 6),
    ({"term": {"ok": "true"}}, 50),
    ({"range": {"day": {"gte": "2026-01-01||+1M/M"}}}, 169),
    ({"range": {"day": {"lte": "-0044-03-15"}}}, 0),
    ({"term": {"day": "2026-01-05"}}, 1),
    ({"range": {"day": {"gte": "05.01.2026", "lt": "07.01.2026", "format": "dd.MM.yyyy"}}}, 2),
    ({"term": {"author.name": "n1"}}, 40),
    ({"exists": {"field": "author"}}, 200),
    ({"term": {"host": "10.0.0.0/25"}}, 128),
    ({"ids": {"values": ["r1", "r2", "nobody"]}}, 2),
]


@pytest.mark.parametrize(("query", "rows"), FOUND, ids=[json.dumps(query)[:50] for query, _ in FOUND])
def test_filters_that_fit_find_what_passes(index: VectorIndex, query: dict[str, Any], rows: int) -> None:
    assert len(index.search(VECTORS[0], k=ROWS, filter=query, fields=()).ids) == rows


SILENT = [
    {"term": {"sectoin": "web"}},
    {"term": {"title": "Web server 3"}},
    {"match": {"section": "web net"}},
    {"term": {"small": 300}},
    {"term": {"author": "n1"}},
    {"exists": {"field": "blob"}},
    {"exists": {"field": "airlsh.tokens.embedding"}},
    {"range": {"section": {"gte": 5}}},
    {"term": {"day": "2026-02-30"}},
    {"term": {"ok": "yes"}},
]


@pytest.mark.parametrize("query", SILENT, ids=lambda query: json.dumps(query)[:50])
def test_filters_that_do_not_fit_are_refused_however_a_search_is_asked(
    index: VectorIndex, query: dict[str, Any]
) -> None:
    field = query.get("exists", {}).get("field") or next(iter(query[next(iter(query))]))
    for ask in (
        lambda: index.search(VECTORS[0], filter=query),
        lambda: index.search(id="r1", filter=query),
        lambda: index.search(id="r1", filter=query, **{index.build.model.effort_name: 1}),
        lambda: index.search(match="web", vector=VECTORS[0], filter=query),
        lambda: list(index.search_many(VECTORS[:3], filter={"bool": {"must_not": query}})),
    ):
        with pytest.raises(FilterError) as raised:
            ask()
        assert field in raised.value.path


ONLY_THE_SERVER_KNOWS: list[tuple[dict[str, Any], str]] = [
    (
        {"range": {"day": {"gte": "2026-01-01", "time_zone": "Mars/X"}}},
        "filter at range.day.time_zone: 'Mars/X' is no time zone of the server: give an offset such as +01:00",
    ),
    (
        {"range": {"day": {"gte": "2026", "format": "nope"}}},
        "filter at range.day.format: 'nope' is no format of dates (Unknown pattern letter): give a pattern such as",
    ),
    (
        {"range": {"day": {"gte": "2026", "format": "dd.MM.yyyy"}}},
        "filter at range.day.gte: '2026' is not a date of the format dd.MM.yyyy",
    ),
    (
        {"match": {"title": {"query": "web", "analyzer": "nope"}}},
        "filter at match.title.analyzer: 'nope' is no analyzer of the index: leave it out for the field's own",
    ),
    (
        {"match": {"title": " ".join(f"w{word}" for word in range(40_000))}},
        "filter at match.title: has more words than the server searches at once: shorten the text",
    ),
]


@pytest.mark.parametrize(("query", "said"), ONLY_THE_SERVER_KNOWS, ids=[said for _, said in ONLY_THE_SERVER_KNOWS])
def test_filters_that_the_server_refuses_are_sentences_however_a_search_is_asked(
    index: VectorIndex, services: Services, query: dict[str, Any], said: str
) -> None:
    effort: dict[str, int] = {index.build.model.effort_name: 1}
    for ask in (
        lambda: index.search(VECTORS[0], filter=query),
        lambda: index.search(VECTORS[0], filter=query, **effort),
        lambda: index.search(id="r1", filter=query),
        lambda: index.search(VECTORS[0], match="web", filter=query),
        lambda: index.search(VECTORS[0], match="web", filter=query, **effort),
        lambda: list(index.search_many(VECTORS[:3], filter={**query})),
    ):
        with pytest.raises(FilterError) as raised:
            ask()
        assert str(raised.value).startswith(said)
    result = run(services, "search", NAME, "--id", "r1", "--filter", json.dumps(query))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"airlsh: {said}")


FITS_TO_THE_MILLISECOND = [
    ({"range": {"day": {"gte": "2026-01-01", "time_zone": zone}}}, rows)
    for zone, rows in (("Europe/Berlin", 200), ("-01", 199), ("+18:00", 200), ("UTC", 200), ("GMT+2", 200))
] + [
    ({"range": {"day": {"gte": "now-200000000y", "lt": "9999-12-31||+200000000y", "boost": "2"}}}, 200),
    ({"range": {"day": {"gte": -(2**63) + 1, "lte": 2**63 - 1}}}, 200),
    ({"match": {"title": {"query": "web", "fuzziness": "AUTO:0,3", "minimum_should_match": "2<-25% 9<-3"}}}, 200),
    ({"bool": {"should": [{"term": {"ok": True}}], "minimum_should_match": "100%"}}, 50),
]


@pytest.mark.parametrize(("query", "rows"), FITS_TO_THE_MILLISECOND, ids=lambda each: json.dumps(each)[:60])
def test_filters_at_the_end_of_what_fits(index: VectorIndex, query: dict[str, Any], rows: int) -> None:
    assert len(index.search(VECTORS[0], k=ROWS, filter=query, fields=()).ids) == rows


def test_a_search_that_the_server_refuses_for_no_filter_is_a_sentence(index: VectorIndex, services: Services) -> None:
    client, physical = services.connection.client(), index.build.index
    client.indices.put_settings(index=physical, settings={"index.max_result_window": 5})
    try:
        for query in (None, {"term": {"section": "web"}}):
            for ask in (
                lambda query=query: index.search(VECTORS[0], filter=query),
                lambda query=query: list(index.search_many(VECTORS[:3], filter=query)),
                lambda query=query: index.search(VECTORS[0], match="web", filter=query),
                lambda query=query: index.search(id="r1", filter=query),
            ):
                with pytest.raises(RequestRefusedError) as raised:
                    ask()
                assert str(raised.value).startswith(f"Elasticsearch refused the search of {physical} (400): Result")
                assert ("docs/guides/filters.md" in "".join(getattr(raised.value, "__notes__", ()))) == (
                    query is not None
                )
        result = run(services, "search", NAME, "--id", "r1")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"airlsh: Elasticsearch refused the search of {physical} (400): Result window")
    finally:
        client.indices.put_settings(index=physical, settings={"index.max_result_window": None})


@pytest.mark.parametrize("identity", ["nope", "R1"])
def test_a_row_that_is_not_there_is_named_with_the_index(index: VectorIndex, services: Services, identity: str) -> None:
    said = f"{NAME} has no row with the id {identity!r}: ids are compared whole, with their case"
    for ask in (
        lambda: index.search(id=identity),
        lambda: index.search(id=identity, filter={"term": {"section": "web"}}),
        lambda: index.search(id=identity, **{index.build.model.effort_name: 1}),
        lambda: index.search(match="web", id=identity),
        lambda: index.search(match="web", id=identity, match_weight=1),
    ):
        with pytest.raises(RowNotFoundError) as raised:
            ask()
        assert str(raised.value) == f"{said} ({index.build.index})"
    result = run(services, "search", NAME, "--id", identity)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"airlsh: {said}")
    with pytest.raises(RowNotFoundError, match="has no row with the id ' r1': did you mean 'r1'"):
        index.search(id=" r1")


def test_what_an_index_cannot_take(index: VectorIndex, services: Services) -> None:
    for misuse, kind, said in (
        (lambda: index.search(np.zeros(DIMS)), VectorError, "compares by cosine, which needs a direction"),
        (lambda: index.search(np.full(DIMS, 1e30)), VectorError, "squared length"),
        (lambda: index.search([1.0]), InputError, "expected vectors of 8 numbers, given 1"),
        (lambda: list(index.search_many([[1.0]], exact=True)), InputError, "expected vectors of 8 numbers, given 1"),
        (lambda: index.search(VECTORS[0], fields=["author.nme"]), SettingsError, "did you mean author.name?"),
        (lambda: index.search(VECTORS[0], fields=["title.keyword"]), SettingsError, "is not a field of"),
        (
            lambda: index.search(match="a", vector=VECTORS[0], match_fields=["section"]),
            SettingsError,
            "of type keyword",
        ),
        (
            lambda: index.upsert([{"id": "z", "embedding": VECTORS[0].tolist(), "host": "here"}]),
            SourceError,
            "column 'host': 'here' does not fit its field of type ip: give a value such as 10.0.0.1; 1 of 1 rows",
        ),
        (lambda: index.upsert({"id": "a"}), SourceError, "give a list of mappings such as"),  # type: ignore[arg-type]
        (lambda: VectorIndex(NAME, services.connection, index=NAME).build, NotFoundError, "no index"),
    ):
        with pytest.raises(kind) as raised:
            misuse()
        assert said in str(raised.value)
    assert index.search(VECTORS[0], k=1, fields=["author.*"]).neighbours[0].fields == {
        "author": {"name": "n0", "age": 0}
    }


def run(services: Services, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--es", services.connection.urls[0]])


def test_lists_have_headers_and_need_no_name(index: VectorIndex, services: Services) -> None:
    build = index.build.meta.build
    header, *lines = run(services, "builds", "list").stdout.splitlines()
    assert header.split() == ["name", "build", "state", "live", "documents", "model"]
    assert [NAME, build, "verified", "live", "200"] in [line.split()[:5] for line in lines]
    header, *lines = run(services, "builds", "list", NAME).stdout.splitlines()
    assert header.split() == ["name", "build", "state", "live", "documents", "model"]
    assert len(lines) == 1
    assert all(row["name"] for row in json.loads(run(services, "builds", "list", "--json").stdout))
    header, *lines = run(services, "models", "list", NAME).stdout.splitlines()
    assert header.split() == ["model", "id", "model", "metric", "dims", "created"]
    assert len(lines) == 1
    empty = run(services, "dead-letters", "list", NAME)
    assert (empty.exit_code, empty.stdout, empty.stderr) == (0, "", "this build has no dead letters\n")


NOT_TEXT = ": is not Unicode text, as it holds half of a surrogate pair"

UNKNOWN = [
    (("builds", "list", "nope"), "no build of 'nope': nothing was indexed under this name; `airlsh builds list`"),
    (("builds", "show", "nope"), "no build of 'nope'"),
    (("builds", "show", NAME, "--build", "nope"), "no build 'nope'"),
    (("builds", "retire", "nope"), "no build of 'nope'"),
    (("builds", "rollback", "nope"), "no build of 'nope'"),
    (("builds", "rollback", NAME), "no build was live before"),
    (("builds", "promote", "nope", "--build", "b"), "no build 'b'"),
    (("builds", "abandon", "nope", "--build", "b"), "no build 'b'"),
    (("builds", "report", "nope", "--output", "out"), "no build of 'nope'"),
    (("models", "list", "nope"), "no model of 'nope': train one"),
    (("models", "show", "nope"), "no model 'nope'"),
    (("models", "show", ""), "model_id='': must have at least 1 character"),
    (("models", "show", "\udcff"), f"model_id='\\udcff'{NOT_TEXT}"),
    (("models", "show", "x" * 600), "no model 'xxx"),
    (("builds", "show", NAME, "--build", "\udcff"), f"build='\\udcff'{NOT_TEXT}"),
    (("builds", "promote", NAME, "--build", "x" * 600), "no build 'xxx"),
    (("dead-letters", "list", NAME, "--build", "\udcff"), f"build='\\udcff'{NOT_TEXT}"),
    (("index", NAME, "--resume", "\udcff"), "no build '\\udcff'"),
    (("search", NAME, "--id", "\udcff"), f"id='\\udcff'{NOT_TEXT}"),
    (("dead-letters", "list", "nope"), "no build of 'nope'"),
    (("search", "nope", "--id", "a"), "no live index 'nope'"),
    (("evaluate", "nope"), "no live index 'nope'"),
    (("index", "nope", "--resume", "b"), "no build 'b'"),
    (("search", NAME, "--id", "r1", "--filter", '{"term":{"sectoin":"web"}}'), "did you mean section?"),
    (("search", NAME, "--id", "r1", "--fields", "sectoin"), "did you mean section?"),
]


@pytest.mark.parametrize(("arguments", "said"), UNKNOWN, ids=[" ".join(each)[:50] for each, _ in UNKNOWN])
def test_what_is_not_there_is_named(
    index: VectorIndex, services: Services, arguments: tuple[str, ...], said: str
) -> None:
    result = run(services, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    document = json.loads(run(services, *arguments, "--json").stdout)
    assert said in document["error"]["message"]


def test_an_alias_that_moves_brings_its_own_fields(services: Services, source: str, index: VectorIndex) -> None:
    other = VectorIndex(NAME, services.connection)
    by_day = {"range": {"day": {"gte": "2026-01-02"}}}
    assert other.search(VECTORS[0], filter=by_day).ids
    run_index(_settings(source, columns=("title", "host")), services)
    time.sleep(RESOLVE_SECONDS + 0.2)
    with pytest.raises(FilterError, match="day: is not a field of"):
        other.search(VECTORS[0], filter=by_day)
