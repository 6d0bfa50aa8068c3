"""Verify: the index holds exactly what the source gave, or the run fails and the old build stays live."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.errors import DeadLetterLimitError, VerificationError
from lsh_core.evaluation.build_recall import measure_recall
from lsh_core.indexing.dead_letters import read_dead_letters
from lsh_core.indexing.ledger import Ledger, LedgerEntry
from lsh_core.indexing.runs import VERIFIED, RunStore
from lsh_core.indexing.verification import verify_holdings, verify_samples
from lsh_core.indexing.winners import expected_holdings
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.recording import recorded
from lsh_core.settings import IndexSettings

_EXAMPLES = 10


@recorded
def verify(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
    """Balance the accounts, compare index and ledger chunk by chunk, and measure the recall.

    Returns
    -------
    dict
        ``rows_read, accepted, repeated, dead_lettered, documents, nodes, work_seconds, recall, recall_queries``.

    Raises
    ------
    VerificationError
        Something does not balance.
    DeadLetterLimitError
        More rows were refused than the run may have.
    """
    client = answering_client(services.connection)
    plan = read_plan(settings, build, services)
    chunks = plan.chunks()
    found = list(Ledger(client, ledger_key(client, plan, build)).entries(plan.files, chunks))
    entries = [entry for entry in found if entry is not None]
    if len(entries) != len(chunks):
        raise VerificationError(plan.index, "chunks in the ledger", len(chunks), len(entries))
    expected = expected_holdings(entries)
    rows_read = sum(entry.rows_read for entry in entries)
    dead_lettered = sum(entry.dead_lettered for entry in entries)
    if rows_read != plan.rows or rows_read != expected.documents + expected.repeated + dead_lettered:
        raise VerificationError(
            plan.index,
            "rows read = accepted + repeated + dead-lettered",
            plan.rows,
            f"{rows_read} = {expected.documents} + {expected.repeated} + {dead_lettered}",
        )
    verify_holdings(client, plan.index, expected, plan.vector.column)
    compared = verify_samples(client, plan.index, entries, plan.vector)
    if dead_lettered > settings.max_dead_letters:
        examples = tuple(str(letter) for letter in read_dead_letters(client, build, limit=_EXAMPLES))
        raise DeadLetterLimitError(build, dead_lettered, settings.max_dead_letters, examples)
    if not expected.documents:
        raise VerificationError(plan.index, "documents", "at least one", 0)
    recall, queries = measure_recall(services.connection, settings.name, plan.index, queries=settings.recall_queries)
    RunStore(client).update(build, state=VERIFIED)
    return {
        "rows_read": rows_read,
        "accepted": expected.documents,
        "repeated": expected.repeated,
        "dead_lettered": dead_lettered,
        "documents": expected.documents,
        "vectors_compared": compared,
        "nodes": _node_totals(plan, entries, services.connection.urls),
        "work_seconds": _work_seconds(entries),
        "recall": recall,
        "recall_queries": queries,
    }


def _node_totals(plan: BuildPlan, entries: list[LedgerEntry], nodes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each node its chunks, and the requests, rows and repetitions that went through it."""
    chunks = Counter(entry.node for entry in entries)
    totals: dict[str, Counter[str]] = {node: Counter() for node in nodes}
    for entry in entries:
        for tally in entry.nodes:
            totals.setdefault(tally["node"], Counter()).update(
                {key: tally[key] for key in ("requests", "rows", "retried")}
            )
    return [
        {
            "node": node,
            "chunks": chunks[node],
            "requests": counted["requests"],
            "rows": counted["rows"],
            "retried": counted["retried"],
        }
        for node, counted in totals.items()
    ]


def _work_seconds(entries: list[LedgerEntry]) -> dict[str, float]:
    """Return the seconds of all workers together, by what they did."""
    total: Counter[str] = Counter()
    for entry in entries:
        total.update(entry.seconds)
    return {stage: round(seconds, 3) for stage, seconds in total.items()}
