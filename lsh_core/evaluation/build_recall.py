"""Measures the recall of a whole build through the production search path."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lsh_core.elastic.cluster import Cluster
from lsh_core.evaluation.curve import RECALLS, EffortRange, measure_curve
from lsh_core.evaluation.ground_truth import IndexScan, nearest_in_index, true_neighbours
from lsh_core.evaluation.query_set import default_queries, draw_unseen
from lsh_core.evaluation.rising_recall import RisingRecall
from lsh_core.evaluation.source_truth import SourceTruth
from lsh_core.progress import progress
from lsh_core.retrieval.contract import EXACT_ROWS
from lsh_core.search.recall_curve import CurvePoint, RecallCurve
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import RECALL_NEIGHBOURS

_ENOUGH = 0.9
"""Share of the wanted queries that measures recall nearly as well."""
_SKETCHED = 200
"""Queries of a rough curve: their standard error is .007, against .0035 for 1,000 queries."""


def measure_build(
    cluster: Cluster,
    searcher: VectorIndex,
    *,
    queries: int | None,
    target: float,
    known: SourceTruth | None = None,
    scan: IndexScan = nearest_in_index,
    seed: int = 0,
) -> RecallCurve | None:
    """Measure recall@10 of a build by effort, and choose the effort for `target`.

    Queries are random indexed rows, each excluded from its own result. If no effort meets the target, searches of a
    small build scan all rows, which meets it; searches of a large build use the largest effort.

    A strategy whose searches are nested is measured closely at four recalls, since few queries are asked twice. Others
    are measured closely at the target alone.

    Parameters
    ----------
    queries
        Number of queries; default from the number of rows.
    known
        Queries and neighbours that are known from the load. Without them, or if too few of the queries are left,
        queries are drawn from the index and compared with all its rows.
    scan
        Scan of the index.

    Returns
    -------
    RecallCurve or None
        None: the build has fewer than two rows.
    """
    index, field = searcher.build.index, searcher.build.field
    documents = cluster.count(index)
    if documents < 2:
        return None
    k, wanted = min(RECALL_NEIGHBOURS, documents - 1), queries or default_queries(documents, target)
    if known is not None and len(known.queries) >= min(wanted, documents) * _ENOUGH:
        known = known.first(wanted)
        asked, truth = known.queries, known.complete(cluster, index, field, k, rows=documents, scan=scan)
    else:
        asked = draw_unseen(cluster, index, field.column, field.dims, wanted, seed=seed)
        truth = true_neighbours(cluster, index, field, asked, k, rows=documents, scan=scan)
    least, most = field.strategy.measured_range(RECALL_NEIGHBOURS, documents, field.effort)
    few = max(_SKETCHED, len(asked) // 4)
    recall = RisingRecall(searcher, asked, truth)
    with progress("recall", unit="queries") as meter:

        def at(effort: float, queries: int | None = None) -> CurvePoint:
            point = recall.at(effort, queries)
            meter.advance(point.queries)
            return point

        curve = measure_curve(
            partial(at, queries=few),
            at,
            EffortRange(field.strategy.effort_scale, least, most),
            guess=field.effort,
            target=target,
            k=truth.distances.shape[1],
            queries=len(asked),
            recalls=RECALLS if field.strategy.nested else (),
        )
    if documents <= EXACT_ROWS and curve.effort_for(target) is None:
        return replace(curve, effort=None)
    return curve
