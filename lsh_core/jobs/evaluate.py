"""Evaluate: recall and speed of the live build, by effort, on the user's queries."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from lsh_core.builds.records import BuildRecords, now
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import AirlshError, ModelMismatchError, SettingsError, SourceError, VectorError
from lsh_core.jobs.services import Services
from lsh_core.settings import EvaluateSettings
from lsh_core.sources.writable_folders import check_writable

if TYPE_CHECKING:
    from lsh_core.evaluation.evaluation_report import EvaluationReport
    from lsh_core.evaluation.query_set import QuerySet
    from lsh_core.search.searchable_build import SearchableBuild

_SEED = 1
"""Seed of the queries. It differs from the seed that chose the default effort of the build."""


@errors_named()
def evaluate(settings: EvaluateSettings, services: Services) -> EvaluationReport:
    """Measure recall, latency and scored rows of the live build by effort.

    Recall is measured against the true neighbours.

    Raises
    ------
    NotFoundError
        No build of the name is live.
    InputError
        The query file cannot be read, its vectors do not fit the index, or `output` cannot be written. Each is detected
        before the measurement.

    Examples
    --------
    >>> from lsh_core import EvaluateSettings, evaluate, find_services
    >>> services = find_services("http://127.0.0.1:9200")
    >>> report = evaluate(EvaluateSettings(name="packages", rows=50), services)
    """
    from lsh_core.evaluation.build_health import measure_health
    from lsh_core.evaluation.evaluation_report import EvaluationReport
    from lsh_core.evaluation.frontier import measure_frontier
    from lsh_core.evaluation.report_folder import write_report
    from lsh_core.jobs.dask.sliced_scan import sliced_scan
    from lsh_core.search.effort import effort_for_recall
    from lsh_core.search.live_index import JOB_WAIT_SECONDS
    from lsh_core.search.vector_index import VectorIndex

    cluster = services.cluster
    build = VectorIndex(settings.name, services.connection, wait_seconds=JOB_WAIT_SECONDS).build
    if settings.output is not None:
        check_writable(settings.output)
    rows, before = cluster.count(build.index), _operations(cluster, build.index)
    queries = _queries(settings, build, services)
    if rows - queries.left_out < 1:
        raise SettingsError("name", settings.name, f"{build.index} has {rows} rows: there is nothing to be found")
    frontier = measure_frontier(
        services.cluster,
        VectorIndex(settings.name, services.connection, index=build.index, wait_seconds=JOB_WAIT_SECONDS),
        queries,
        settings.k,
        rows,
        scan=sliced_scan(services),
    )
    health = measure_health(
        services.cluster, build, effort=effort_for_recall(build, None), queries=queries.vectors, seed=_SEED
    )
    report = EvaluationReport(
        **{each.name: getattr(frontier, each.name) for each in fields(frontier)},
        name=settings.name,
        build=build.meta.build,
        index=build.index,
        model=build.field.model,
        metric=build.field.metric,
        rows=rows,
        own_queries=settings.queries is not None,
        effort_name=build.model.effort_name,
        favours_own_rows=build.field.strategy.favours_own_rows,
        target=None if build.curve is None else build.curve.target,
        health=health,
        changes=_operations(cluster, build.index) - before,
        evaluated_at=now(),
    )
    BuildRecords(cluster).record_evaluation(build.meta.build, report.to_json())
    if settings.output is None:
        return report
    try:
        return replace(report, report=write_report(report, settings.output))
    except AirlshError as error:
        note = f"the figures are kept: `airlsh builds report {settings.name} --output DIR` writes the report of them"
        raise error.with_note(note) from None


def _operations(cluster: Cluster, index: str) -> int:
    """Return the number of writes and deletes in the shards of `index` so far."""
    shards = cluster.run(lambda client: client.indices.stats(index=index, metric="docs", level="shards"))["indices"][
        index
    ]["shards"]
    return sum(max(int(copy["seq_no"]["max_seq_no"]) + 1 for copy in copies) for copies in shards.values())


def _queries(settings: EvaluateSettings, build: SearchableBuild, services: Services) -> QuerySet:
    from lsh_core.evaluation.query_set import QuerySet, draw_unseen
    from lsh_core.metrics import metric_named
    from lsh_core.search.query_file import read_query_vectors

    field = build.field
    if settings.queries is None:
        return draw_unseen(services.cluster, build.index, field.column, field.dims, settings.rows, seed=_SEED)
    vectors = read_query_vectors(settings.queries)
    if vectors.shape[1] != field.dims:
        raise ModelMismatchError(f"vectors of {field.dims} numbers", f"{vectors.shape[1]}", settings.queries)
    try:
        metric_named(field.metric).prepare_queries(vectors)
    except VectorError as error:
        raise SourceError(settings.queries, f"row {error.row} {error.reason}") from None
    return QuerySet(vectors)
