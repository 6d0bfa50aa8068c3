"""Truth of the source: queries are drawn before the load, and their neighbours are known after it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsh_core.builds.id_hashes import IdHashes
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.evaluation.query_set import QuerySet, default_queries
from lsh_core.evaluation.source_truth import SourceTruth
from lsh_core.jobs.dask.query_draw import draw_queries
from lsh_core.jobs.stages.plan import BuildPlan
from lsh_core.loading.source_neighbours import SourceNeighbours
from lsh_core.loading.source_queries import LISTED, find_queries, store_queries, stored_fingerprint
from lsh_core.settings import IndexSettings

if TYPE_CHECKING:
    from distributed import Client

_SPARE = 1.1
"""Queries are drawn for rows that will be refused, or lose to a later row with the same id."""
_ROWS_PER_QUERY = 10_000


def ensure_queries(
    settings: IndexSettings,
    build: str,
    plan: BuildPlan,
    cluster: Cluster,
    dask: Client,
    check: Callable[[], None],
) -> str:
    """Draw and store the queries of `build` unless they are stored; return their fingerprint."""
    stored = stored_fingerprint(cluster, build)
    if stored is not None:
        return stored
    wanted = settings.recall_queries or default_queries(plan.rows, settings.recall_target)
    size = math.ceil(wanted * _SPARE)
    queries = draw_queries(dask, plan.files, size, id_column=settings.id, field=plan.vector, check=check)
    store_queries(cluster, build, queries)
    return queries.fingerprint


def source_neighbours(cluster: Cluster, build: str, replaced: IdHashes) -> SourceNeighbours | None:
    """Return an empty merge of the near rows of `build`; None without stored queries."""
    queries = find_queries(cluster, build)
    return None if queries is None else SourceNeighbours(queries, 2 * LISTED, replaced)


def known_truth(neighbours: SourceNeighbours, *, live: int) -> SourceTruth:
    """Return the truth that `neighbours` knows after all ledger entries.

    Parameters
    ----------
    live
        Number of ids that were changed live.
    """
    usable, known = neighbours.result()
    queries = neighbours.queries
    others: list[dict[str, Any]] = [
        {"terms": {"airlsh.row": page}} for page in pages(sorted(neighbours.corrected), _ROWS_PER_QUERY)
    ]
    if live:
        others.append({"bool": {"must_not": {"exists": {"field": "airlsh.chunk"}}}})
    return SourceTruth(
        QuerySet(queries.vectors[usable], tuple(queries.ids[at] for at in usable.tolist())), known, tuple(others)
    )
