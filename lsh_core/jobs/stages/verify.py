"""Verify: the index holds exactly what the source gave, or the run fails and the old build stays live."""

from __future__ import annotations

from typing import Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.leases import Lease
from lsh_core.errors import DeadLetterLimitError, VerificationError
from lsh_core.evaluation.build_recall import measure_recall
from lsh_core.indexing.dead_letters import read_dead_letters
from lsh_core.indexing.ledger import Ledger
from lsh_core.indexing.runs import VERIFIED, RunStore
from lsh_core.indexing.spilling import Spill
from lsh_core.indexing.verification import verify_holdings, verify_samples
from lsh_core.indexing.winners import expected_holdings
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.accounts import Accounts
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import read_plan
from lsh_core.jobs.stages.recording import recorded
from lsh_core.settings import IndexSettings

_EXAMPLES = 10


@recorded
def verify(settings: IndexSettings, build: str, services: Services, lease: Lease) -> dict[str, Any]:
    """Balance the accounts, compare index and ledger chunk by chunk, and measure the recall.

    Returns
    -------
    dict
        ``rows_read, accepted, repeated, replaced, dead_lettered, documents, nodes, work_seconds, recall,
        recall_queries``. All rows are those of the whole build, whichever try loaded them:
        ``rows_read = accepted + repeated + replaced + dead_lettered``.

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
    accounts = Accounts()
    entries = Ledger(client, ledger_key(client, plan, build)).entries(plan.files, chunks)
    expected = expected_holdings(accounts.follow(entries), group=Spill())
    outcomes = {
        "accepted": expected.documents,
        "repeated": expected.repeated,
        "replaced": expected.replaced,
        "dead_lettered": accounts.dead_lettered,
    }
    figures = {
        "rows_read": accounts.rows_read,
        **outcomes,
        "nodes": accounts.nodes(services.connection.urls),
        "work_seconds": accounts.work_seconds(),
    }
    RunStore(client).update(build, stages={"verify": figures})  # The report of a run that fails here has them too.
    if accounts.missing:
        raise VerificationError(plan.index, "chunks in the ledger", len(chunks), accounts.chunks)
    if accounts.rows_read != plan.rows or accounts.rows_read != sum(outcomes.values()):
        raise VerificationError(
            plan.index,
            "rows read = accepted + repeated + replaced + dead-lettered",
            plan.rows,
            f"{accounts.rows_read} = {' + '.join(map(str, outcomes.values()))}",
        )
    verify_holdings(client, plan.index, expected, plan.vector.column)
    compared = verify_samples(client, plan.index, accounts.samples(), plan.vector)
    if accounts.dead_lettered > settings.max_dead_letters:
        examples = tuple(str(letter) for letter in read_dead_letters(client, build, limit=_EXAMPLES))
        raise DeadLetterLimitError(build, accounts.dead_lettered, settings.max_dead_letters, examples)
    if not expected.documents:
        raise VerificationError(plan.index, "documents", "at least one", 0)
    recall, queries = measure_recall(services.connection, settings.name, plan.index, queries=settings.recall_queries)
    RunStore(client).update(build, state=VERIFIED)
    return {
        **figures,
        "documents": expected.documents,
        "vectors_compared": compared,
        "recall": recall,
        "recall_queries": queries,
    }
