"""Load: sends every chunk without a ledger entry through Dask into the index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.builds.stage_facts import LoadFacts
from lsh_core.builds.write_fence import WriteFence, allow_writes, fence_writes, read_write_fence
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.leases import Lease
from lsh_core.errors import LeaseLostError
from lsh_core.jobs.dask import load_job
from lsh_core.jobs.dask.futures import forgotten
from lsh_core.jobs.dask.load_job import LoadJob
from lsh_core.jobs.dask.span_task import SpanTask
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.jobs.stages.dead_letter_limit import DeadLetterLimit
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.source_truth import ensure_queries
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.loading.dead_letters import read_dead_letters
from lsh_core.loading.ledger import Ledger, LedgerKey, ledger_totals
from lsh_core.settings import IndexSettings
from lsh_core.sources.source_file import Chunk
from lsh_core.sources.spans import plan_spans

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_EXAMPLES = 10


@stage
def load(settings: IndexSettings, build: str, services: Services, lease: Lease) -> LoadFacts:
    """Load the chunks that are not in the ledger.

    A job that an earlier try of this run left on Dask is adopted if it may still write. Otherwise it is cancelled, and
    the write fence is opened for this try alone before the ledger is read. The queries that the rows are compared with
    are drawn by the first try.
    """
    cluster = services.cluster
    plan = read_plan(settings, build, services)
    key = ledger_key(cluster, plan, build)
    chunks = plan.chunks()
    refusals = _refusal_limit(settings, build, services, cluster)

    def check() -> None:
        lease.require()
        refusals.check()

    try:
        with dask_client(services) as dask:
            job = _running_job(dask, build, read_write_fence(cluster, plan.index, build))
            adopted = job is not None
            if job is None:
                load_job.cancel(dask, build)
                allow_writes(cluster, plan.index, build, lease.epoch)
                queries = ensure_queries(settings, build, plan, cluster, dask, lease.require)
                done = Ledger(cluster, key).done(plan.files, chunks)
                pending = [chunk for chunk in chunks if chunk.number not in done]
                if pending:
                    BuildRecords(cluster).record_state(build, BuildState.LOADING)
                tasks = _tasks(settings, build, services, plan, key, lease.epoch, queries, pending, dask)
                job = load_job.submit(dask, build, lease.epoch, tasks)
            else:
                logger.info("load: adopted the running Dask job of %d spans", len(job.futures))
            try:
                load_job.follow(dask, job, plan.index, check, refusals.tell)
            except BaseException as error:
                if not isinstance(error, LeaseLostError):
                    _cancel(dask, build, error)
                raise
    except BaseException as error:
        _close(services, plan, build, lease, error)
        raise
    BuildRecords(services.cluster).advance(build, BuildState.LOADED)
    return LoadFacts(
        rows_read=job.rows,
        skipped=plan.rows - job.rows,
        chunks=len(chunks) if adopted else len(pending),
        adopted=adopted,
    )


def ledger_key(cluster: Cluster, plan: BuildPlan, build: str) -> LedgerKey:
    """Return the ledger key that the entries of this build share."""
    found = cluster.run(lambda client: client.indices.get_settings(index=plan.index, flat_settings=True))
    settings = found[plan.index]["settings"]
    return LedgerKey(build, settings["index.uuid"], plan.vector.fingerprint, plan.settings_fingerprint)


def _refusal_limit(settings: IndexSettings, build: str, services: Services, cluster: Cluster) -> DeadLetterLimit:
    rows, dead_lettered = ledger_totals(cluster, build)

    def examples() -> tuple[str, ...]:
        dead_letters = read_dead_letters(services.cluster, build, limit=_EXAMPLES)
        return tuple(str(dead_letter) for dead_letter in dead_letters)

    return DeadLetterLimit(settings, build, rows=rows, dead_lettered=dead_lettered, examples=examples)


def _running_job(dask: Client, build: str, fence: WriteFence) -> LoadJob | None:
    """Return the job of an earlier try that is still usable, or None.

    Its loaders may still write, and none of its spans failed or was forgotten.
    """
    job = load_job.find(dask, build)
    if job is None or not fence.is_open or fence.epoch != job.epoch:
        return None
    if forgotten(dask, job.futures):
        return None
    return job if all(future.status in ("pending", "finished") for future in job.futures) else None


def _cancel(dask: Client, build: str, cause: BaseException) -> None:
    try:
        load_job.cancel(dask, build)
    except Exception as error:
        cause.add_note(f"the Dask job of build {build} could not be cancelled: {error}")


def _close(services: Services, plan: BuildPlan, build: str, lease: Lease, cause: BaseException) -> None:
    """Fence off threads that a cancelled task leaves on a worker."""
    if isinstance(cause, LeaseLostError):
        return  # The fence belongs to another run.
    try:
        fence_writes(services.cluster.waiting(5), plan.index, build, lease.epoch)
    except Exception as error:
        cause.add_note(f"late writers could not be kept from {plan.index}: {error}")


def _tasks(
    settings: IndexSettings,
    build: str,
    services: Services,
    plan: BuildPlan,
    key: LedgerKey,
    epoch: int,
    queries: str,
    pending: Sequence[Chunk],
    dask: Client,
) -> list[SpanTask]:
    _, threads = worker_threads(dask)
    load_plan = plan.load_plan(settings, build, services.cluster.urls)
    return [
        SpanTask(
            cluster=services.cluster,
            name=settings.name,
            index=plan.index,
            epoch=epoch,
            plan=load_plan,
            key=key,
            span=span,
            wait_seconds=settings.node_wait_seconds,
            queries=queries,
        )
        for span in plan_spans(plan.files, pending, parallelism=threads)
    ]
