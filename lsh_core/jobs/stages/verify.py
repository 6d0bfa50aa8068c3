"""Verify: the index must hold exactly the rows of the source.

Otherwise the run fails, and the old build stays live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from lsh_core.builds.aliases import live_index
from lsh_core.builds.id_hashes import IdHashes
from lsh_core.builds.journal_position import JournalPosition
from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import DefaultRecall, RowAccounts, VerifyFacts
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Lease
from lsh_core.errors import DeadLetterLimitError, UnverifiedError, VerificationError
from lsh_core.evaluation.build_health import measure_health
from lsh_core.evaluation.build_recall import measure_build
from lsh_core.evaluation.hash_warnings import FEW_ROWS
from lsh_core.jobs.dask.sliced_scan import sliced_scan
from lsh_core.jobs.promotion import catch_up
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.accounts import Accounts
from lsh_core.jobs.stages.dead_letter_limit import all_dead_letters
from lsh_core.jobs.stages.load import ledger_key
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.source_truth import known_truth, source_neighbours
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.live.journal import Journal
from lsh_core.live.replay import changed_hashes
from lsh_core.live.watermark import require_changes
from lsh_core.loading.dead_letters import read_dead_letters
from lsh_core.loading.expected_contents import ExpectedContents, expected_contents
from lsh_core.loading.external_grouping import SpillingGroupBy
from lsh_core.loading.ledger import Ledger
from lsh_core.loading.source_neighbours import SourceNeighbours
from lsh_core.loading.verification import verify_contents, verify_samples
from lsh_core.search.live_index import JOB_WAIT_SECONDS
from lsh_core.search.recall_curve import RecallCurve
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings

_EXAMPLES = 10
_TRIES = 5


@stage
def verify(settings: IndexSettings, build: str, services: Services, lease: Lease) -> VerifyFacts:
    """Balance the accounts, compare index and ledger by chunk, and measure the recall.

    Live changes of the name are replayed into the build first; the rows of their ids count as replaced. Changes up to
    the source's watermark are skipped, and rows of their ids come from the source.

    A recall below the target fails nothing. Searches then scan a small build, or use the largest measured effort.

    Raises
    ------
    VerificationError
        The accounts or the contents do not balance.
    DeadLetterLimitError
        More rows were refused than the settings allow.
    UnverifiedError
        The build is live, and was written to during every comparison.
    ChangesGoneError
        The journal no longer has changes that the build holds.
    """
    cluster = services.cluster
    plan = read_plan(settings, build, services)
    record = BuildRecords(cluster).get(settings.name, build)
    require_changes(cluster, record)
    watermark = record.watermark.position
    for left in reversed(range(_TRIES)):
        live = live_index(cluster, settings.name)
        position, replaced = _replay(settings.name, plan.index, build, watermark, services)
        neighbours = source_neighbours(cluster, build, replaced)
        accounts, expected = _balance(cluster, plan, build, replaced, neighbours, services)
        try:
            documents = verify_contents(cluster, plan.index, expected, plan.vector, live=len(replaced))
            compared = verify_samples(cluster, plan.index, accounts.samples(), plan.vector, replaced)
        except VerificationError as error:
            # A live build receives writes during the comparison.
            if not Journal(services.cluster, settings.name).has_any(after=position):
                raise
            if not left:
                if plan.index not in (live, live_index(cluster, settings.name)):
                    raise
                reason = f"it is live, and was written to each of the {_TRIES} times that it was looked at ({error})"
                raise UnverifiedError(plan.index, reason) from error
        else:
            break
    if accounts.dead_lettered > settings.max_dead_letters:
        examples = tuple(map(str, read_dead_letters(cluster, build, limit=_EXAMPLES)))
        refused = DeadLetterLimitError(build, accounts.dead_lettered, settings.max_dead_letters, examples)
        raise refused.with_note(all_dead_letters(settings.name, build))
    if not documents:
        raise VerificationError(plan.index, "documents", "at least one", 0)
    searcher = VectorIndex(settings.name, services.connection, index=plan.index, wait_seconds=JOB_WAIT_SECONDS)
    curve = measure_build(
        services.cluster,
        searcher,
        queries=settings.recall_queries,
        target=settings.recall_target,
        scan=sliced_scan(services),
        known=None if neighbours is None else known_truth(neighbours, live=len(replaced)),
    )
    BuildRecords(cluster).record_verified(build, curve.to_json() if curve else None)
    point = None if curve is None else curve.at(curve.effort)
    return VerifyFacts(
        **vars(_figures(accounts, expected, services)),
        **asdict(_recall(curve)),
        documents=documents,
        vectors_compared=compared,
        scored=None if point is None else point.scored,
        warnings=_warnings(searcher.build, documents, curve, services),
    )


def _warnings(
    build: SearchableBuild, documents: int, curve: RecallCurve | None, services: Services
) -> Sequence[dict[str, str]]:
    if curve is None or documents < FEW_ROWS:
        return []
    effort = None if curve.effort is None else build.field.strategy.effort(curve.effort)
    health = measure_health(services.cluster, build, effort=effort)
    return [] if health is None else [asdict(warning) for warning in health.warnings]


def _replay(
    name: str, index: str, build: str, watermark: JournalPosition, services: Services
) -> tuple[JournalPosition, IdHashes]:
    """Replay changes into the build; return the reached position and the changed ids."""
    position = catch_up(name, build, services)
    services.cluster.refresh(index)
    return position, IdHashes(changed_hashes(services.cluster, name, up_to=position, watermark=watermark))


def _balance(
    cluster: Cluster,
    plan: BuildPlan,
    build: str,
    replaced: IdHashes,
    neighbours: SourceNeighbours | None,
    services: Services,
) -> tuple[Accounts, ExpectedContents]:
    """Add the ledger up.

    If it does not account for every row of the source, `VerificationError` is raised.
    """
    chunks = plan.chunks()
    accounts = Accounts()
    entries = Ledger(cluster, ledger_key(cluster, plan, build)).entries(plan.files, chunks)
    followed = accounts.follow(entries)
    if neighbours is None:
        expected = expected_contents(followed, replaced=replaced, group=SpillingGroupBy())
    else:
        expected = expected_contents(
            neighbours.follow(followed), replaced=replaced, group=SpillingGroupBy(), superseded=neighbours.drop
        )
    figures = _figures(accounts, expected, services)
    BuildRecords(cluster).record_accounts(build, figures)
    if accounts.missing:
        raise VerificationError(plan.index, "chunks in the ledger", len(chunks), accounts.chunks)
    outcomes = figures.outcomes
    if accounts.rows_read != plan.rows or accounts.rows_read != sum(outcomes):
        raise VerificationError(
            plan.index,
            "rows read = accepted + repeated + replaced + dead-lettered",
            plan.rows,
            f"{accounts.rows_read} = {' + '.join(map(str, outcomes))}",
        )
    return accounts, expected


def _recall(curve: RecallCurve | None) -> DefaultRecall:
    """Return the recall of searches with the default effort.

    A scan of all rows has recall 1.
    """
    if curve is None:
        return DefaultRecall()
    point = curve.at(curve.effort)
    return DefaultRecall(
        recall=point.recall if point else 1.0,
        recall_low=point.recall_low if point else 1.0,
        recall_target=curve.target,
        recall_queries=point.queries if point else curve.queries,
        effort=curve.effort,
    )


def _figures(accounts: Accounts, expected: ExpectedContents, services: Services) -> RowAccounts:
    return RowAccounts(
        rows_read=accounts.rows_read,
        accepted=expected.documents,
        repeated=expected.repeated,
        replaced=expected.replaced,
        dead_lettered=accounts.dead_lettered,
        rows_beyond_norm=accounts.rows_beyond_norm,
        nodes=accounts.nodes(services.cluster.urls),
        work_seconds=accounts.work_seconds(),
    )
