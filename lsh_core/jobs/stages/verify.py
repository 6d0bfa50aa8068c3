"""Verify: the index holds exactly what the source gave, or the run fails and the old build stays live."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lsh_core.builds.aliases import live_index
from lsh_core.builds.id_hashes import IdHashes
from lsh_core.builds.records import VERIFIED, BuildRecords
from lsh_core.elastic.cluster import answering_client, refresh
from lsh_core.elastic.leases import Lease
from lsh_core.errors import DeadLetterLimitError, UnverifiedError, VerificationError
from lsh_core.evaluation.build_health import measure_health
from lsh_core.evaluation.build_recall import measure_build
from lsh_core.evaluation.hash_warnings import FEW_ROWS
from lsh_core.jobs.catching_up import catch_up
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.accounts import Accounts
from lsh_core.jobs.stages.dead_letter_limit import all_dead_letters
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.live.journal import Journal
from lsh_core.live.replay import changed_hashes
from lsh_core.live.watermark import SourceWatermark, require_changes
from lsh_core.loading.dead_letters import read_dead_letters
from lsh_core.loading.expected_contents import ExpectedContents, expected_contents
from lsh_core.loading.external_grouping import SpillingGroupBy
from lsh_core.loading.ledger import Ledger
from lsh_core.loading.verification import verify_holdings, verify_samples
from lsh_core.search.live_index import JOB_WAIT_SECONDS
from lsh_core.search.recall_curve import RecallCurve
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_EXAMPLES = 10
_TRIES = 5


@stage
def verify(settings: IndexSettings, build: str, services: Services, lease: Lease) -> dict[str, Any]:
    """Balance the accounts, compare index and ledger chunk by chunk, and measure the recall.

    What was changed live under the name is replayed into the build first; the rows of those ids count as replaced.
    Changes that the source covers are passed over, and the rows of their ids are the source's.

    Returns
    -------
    dict
        ``rows_read, accepted, repeated, replaced, dead_lettered, longer_rows, documents, nodes, work_seconds``, of the
        whole build, whichever try loaded its rows: ``rows_read = accepted + repeated + replaced + dead_lettered``. And
        ``recall, recall_low, recall_target, recall_queries, effort, scored``, of searches that are not told otherwise:
        effort is None if these scan all rows, recall if there are not two. And ``warnings``: what is wrong with how
        the model spreads the rows, and what helps.

    Raises
    ------
    VerificationError
        Something does not balance.
    DeadLetterLimitError
        More rows were refused than the run may have.
    UnverifiedError
        The build is live, and was written to whenever it was looked at.
    ChangesGoneError
        Changes that the build holds have left the journal.
    """
    client = answering_client(services.connection)
    plan = read_plan(settings, build, services)
    record = BuildRecords(client).get(settings.name, build)
    require_changes(client, settings.name, record)
    covered = SourceWatermark.of(record).upto
    for left in reversed(range(_TRIES)):
        live = live_index(client, settings.name)
        reached, replaced = _replay(settings.name, plan.index, build, covered, services)
        accounts, expected = _balance(client, plan, build, replaced, services)
        try:
            documents = verify_holdings(client, plan.index, expected, plan.vector, live=len(replaced))
            compared = verify_samples(client, plan.index, accounts.samples(), plan.vector, replaced)
        except VerificationError as error:
            # A live build is written to while it is looked at.
            if not Journal(services.connection, settings.name).has_any(after=reached):
                raise
            if not left:
                if plan.index not in (live, live_index(client, settings.name)):
                    raise
                reason = f"it is live, and was written to each of the {_TRIES} times that it was looked at ({error})"
                raise UnverifiedError(plan.index, reason) from error
        else:
            break
    if accounts.dead_lettered > settings.max_dead_letters:
        examples = tuple(str(letter) for letter in read_dead_letters(client, build, limit=_EXAMPLES))
        refused = DeadLetterLimitError(build, accounts.dead_lettered, settings.max_dead_letters, examples)
        raise refused.with_note(all_dead_letters(settings.name, build))
    if not documents:
        raise VerificationError(plan.index, "documents", "at least one", 0)
    searcher = VectorIndex(services.connection, settings.name, index=plan.index, wait_seconds=JOB_WAIT_SECONDS)
    curve = measure_build(
        services.connection,
        searcher,
        queries=settings.recall_queries,
        target=settings.recall_target,
    )
    BuildRecords(client).update(build, state=VERIFIED, recall_curve=curve.to_json() if curve else None)
    return {
        **_figures(accounts, expected, services),
        "documents": documents,
        "vectors_compared": compared,
        **_recall_figures(curve),
        "warnings": _warnings(searcher.build, documents, curve, services),
    }


def _warnings(
    build: SearchableBuild, documents: int, curve: RecallCurve | None, services: Services
) -> list[dict[str, str]]:
    if curve is None or documents < FEW_ROWS:
        return []
    health = measure_health(services.connection, build, effort=curve.effort)
    return [] if health is None else [asdict(warning) for warning in health.warnings]


def _replay(name: str, index: str, build: str, covered: int, services: Services) -> tuple[int, IdHashes]:
    """Bring the build up to date; return how far the journal is, and the ids that it has changed so far."""
    reached = catch_up(name, build, services)
    refresh(answering_client(services.connection), index)
    return reached, IdHashes(changed_hashes(services.connection, name, upto=reached, covered=covered))


def _balance(
    client: Elasticsearch, plan: BuildPlan, build: str, replaced: IdHashes, services: Services
) -> tuple[Accounts, ExpectedContents]:
    """Add the ledger up; raise `VerificationError` unless it accounts for every row of the source."""
    chunks = plan.chunks()
    accounts = Accounts()
    entries = Ledger(client, ledger_key(client, plan, build)).entries(plan.files, chunks)
    expected = expected_contents(accounts.follow(entries), replaced=replaced, group=SpillingGroupBy())
    figures = _figures(accounts, expected, services)
    BuildRecords(client).update(build, stages={"verify": figures})  # The report of a run that fails here has them too.
    if accounts.missing:
        raise VerificationError(plan.index, "chunks in the ledger", len(chunks), accounts.chunks)
    outcomes = [figures[key] for key in ("accepted", "repeated", "replaced", "dead_lettered")]
    if accounts.rows_read != plan.rows or accounts.rows_read != sum(outcomes):
        raise VerificationError(
            plan.index,
            "rows read = accepted + repeated + replaced + dead-lettered",
            plan.rows,
            f"{accounts.rows_read} = {' + '.join(map(str, outcomes))}",
        )
    return accounts, expected


def _recall_figures(curve: RecallCurve | None) -> dict[str, Any]:
    """Return what the report says of searches that are not told otherwise; a scan of all rows finds everything."""
    if curve is None:
        return {"recall": None}
    point = curve.at(curve.effort)
    return {
        "recall": point.recall if point else 1.0,
        "recall_low": point.recall_low if point else 1.0,
        "recall_target": curve.target,
        "recall_queries": point.queries if point else curve.queries,
        "effort": curve.effort,
        "scored": point.scored if point else None,
    }


def _figures(accounts: Accounts, expected: ExpectedContents, services: Services) -> dict[str, Any]:
    return {
        "rows_read": accounts.rows_read,
        "accepted": expected.documents,
        "repeated": expected.repeated,
        "replaced": expected.replaced,
        "dead_lettered": accounts.dead_lettered,
        "longer_rows": accounts.longer_rows,
        "nodes": accounts.nodes(services.connection.urls),
        "work_seconds": accounts.work_seconds(),
    }
