"""Dask task of a load: a worker reads, loads and records a span.

A span is consecutive chunks of one file, and is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from zlib import crc32

from lsh_core.builds.names import write_alias
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.refusals import errors_named
from lsh_core.exact.row_comparison import RowComparison
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.bulk_transport import ElasticTransport
from lsh_core.loading.chunk_loader import ChunkLoader, LoadPlan
from lsh_core.loading.dead_letters import write_dead_letters
from lsh_core.loading.ledger import Ledger, LedgerEntry, LedgerKey
from lsh_core.loading.source_queries import LISTED, read_queries
from lsh_core.models.store import read_model
from lsh_core.sources.dead_letter import DeadLetter
from lsh_core.sources.reading import check_unchanged
from lsh_core.sources.source_file import Chunk, SourceFile, Span

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpanTask:
    """Everything that a worker needs to load a span.

    The task carries no vectors, and its result carries only counts.

    Attributes
    ----------
    queries
        Fingerprint of the stored queries that the rows are compared with.
    """

    cluster: Cluster
    name: str
    index: str
    epoch: int
    plan: LoadPlan
    key: LedgerKey
    span: Span
    wait_seconds: float
    queries: str


@errors_named()
def load_span(task: SpanTask) -> int:
    """Load the chunks of `task` without a ledger entry; return the rows of all chunks.

    A span runs again if its worker died. Chunks that the dead worker finished are counted, and not sent again.
    """
    check_unchanged(task.span.file)
    pending = _pending(task)
    rows = task.span.rows - sum(chunk.rows for chunk in pending)
    if not pending:
        return rows
    loader = ChunkLoader(
        task.plan,
        read_model(task.cluster, task.name, task.plan.vector.model_id),
        build_sender(task.cluster, write_alias(task.plan.build, task.epoch), task.index, task.wait_seconds),
        partial(_record, task),
        comparison=_comparison(task.cluster, task.plan.build, task.queries, task.plan.vector.metric),
    )
    for entry in loader.load(task.span.file, pending):
        rows += entry.rows_read
        _announce(task.plan.build, entry)
    return rows


def _pending(task: SpanTask) -> list[Chunk]:
    """Return the chunks of `task` without a ledger entry."""
    files = {chunk.file: task.span.file for chunk in task.span.chunks}
    done = Ledger(task.cluster.waiting(task.wait_seconds), task.key).done(files, task.span.chunks)
    return [chunk for chunk in task.span.chunks if chunk.number not in done]


@lru_cache(maxsize=2)
def build_sender(cluster: Cluster, alias: str, index: str, wait_seconds: float) -> BulkSender:
    """Return the sender of this process for one build.

    The next span uses its knowledge of the nodes.
    """
    return BulkSender(
        ElasticTransport(cluster, alias),
        cluster.nodes,
        index,
        wait_seconds,
        offset=crc32(alias.encode()),
    )


@lru_cache(maxsize=2)
def _comparison(cluster: Cluster, build: str, fingerprint: str, metric: str) -> RowComparison:
    """Return the comparison of this process for one build.

    The next span uses its bounds.
    """
    return RowComparison(read_queries(cluster, build, fingerprint).vectors, LISTED, metric, fingerprint)


def _record(
    task: SpanTask, file: SourceFile, chunk: Chunk, entry: LedgerEntry, dead_letters: Sequence[DeadLetter]
) -> None:
    check_unchanged(file)  # Checked between the read of the rows and the claim that they are loaded.

    cluster, first = task.cluster.waiting(task.wait_seconds), _answering(task.cluster, entry)
    write_dead_letters(cluster, dead_letters, first=first)
    Ledger(cluster, task.key).write(file, entry, chunk, epoch=task.epoch, first=first)


def _answering(cluster: Cluster, entry: LedgerEntry) -> int:
    """Return the number of a node that has just accepted rows of this chunk.

    Such a node does not hang.
    """
    took = [node for node, stats in entry.nodes.items() if stats.rows]
    return cluster.urls.index(took[-1]) if took and took[-1] in cluster.urls else 0


def _announce(build: str, entry: LedgerEntry) -> None:
    """Send the row counts of a finished chunk to the waiting client."""
    from distributed import get_worker

    try:
        get_worker().log_event(f"airlsh-{build}", (entry.rows_read, entry.dead_lettered))
    except ValueError:
        logger.debug("not on a Dask worker: no client to notify")
