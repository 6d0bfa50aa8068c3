"""Load: every chunk that the ledger does not know yet goes through Dask into the index."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.errors import LoadError
from lsh_core.indexing.aliases import fence_writes, open_writes
from lsh_core.indexing.ledger import Ledger, LedgerKey
from lsh_core.indexing.runs import LOADED, RunStore
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.jobs.span_task import SpanTask, load_span
from lsh_core.jobs.stages.plan import BuildPlan, read_plan
from lsh_core.jobs.stages.recording import recorded
from lsh_core.progress import progress
from lsh_core.settings import IndexSettings
from lsh_core.sources.chunks import Chunk
from lsh_core.sources.spans import plan_spans

if TYPE_CHECKING:
    from distributed import Client
    from elasticsearch import Elasticsearch


@recorded
def load(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
    """Load the chunks that are not in the ledger.

    Returns
    -------
    dict
        ``rows_read`` of this call, ``skipped`` rows of chunks that were done before, ``chunks``, ``spans``.
    """
    client = answering_client(services.connection)
    plan = read_plan(settings, build, services)
    key = ledger_key(client, plan, build)
    chunks = plan.chunks()
    done = Ledger(client, key).done(plan.files, chunks)
    pending = [chunk for chunk in chunks if chunk.number not in done]
    skipped = sum(chunk.rows for chunk in chunks if chunk.number in done)
    open_writes(client, plan.index, plan.alias)
    try:
        with dask_client(services) as dask:
            tasks = _tasks(settings, build, services, plan, key, pending, dask)
            rows = _run(dask, build, tasks, sum(chunk.rows for chunk in pending))
    except BaseException as error:
        _fence_off(services, plan, error)
        raise
    RunStore(answering_client(services.connection)).update(build, state=LOADED)
    return {"rows_read": rows, "skipped": skipped, "chunks": len(pending), "spans": len(tasks)}


def _fence_off(services: Services, plan: BuildPlan, cause: BaseException) -> None:
    """Keep threads that a cancelled task leaves behind on a worker from writing on."""
    try:
        fence_writes(answering_client(services.connection, wait_seconds=5), plan.index, plan.alias)
    except Exception as error:
        cause.add_note(f"late writers could not be fenced off {plan.index}: {error}")


def ledger_key(client: Elasticsearch, plan: BuildPlan, build: str) -> LedgerKey:
    """Return the key that the ledger entries of this build share."""
    settings = client.indices.get_settings(index=plan.index, flat_settings=True)[plan.index]["settings"]
    return LedgerKey(build, settings["index.uuid"], plan.vector.fingerprint, plan.settings_fingerprint)


def _tasks(
    settings: IndexSettings,
    build: str,
    services: Services,
    plan: BuildPlan,
    key: LedgerKey,
    pending: Sequence[Chunk],
    dask: Client,
) -> list[SpanTask]:
    _, threads = worker_threads(dask)
    load_plan = plan.load_plan(settings, build, services.connection.urls)
    return [
        SpanTask(
            connection=services.connection,
            name=settings.name,
            index=plan.index,
            alias=plan.alias,
            plan=load_plan,
            key=key,
            file=plan.files[span[0].file],
            chunks=tuple(span),
            wait_seconds=settings.node_wait_seconds,
        )
        for span in plan_spans(plan.files, pending, parallelism=threads)
    ]


def _run(dask: Client, build: str, tasks: Sequence[SpanTask], total: int) -> int:
    """Run `tasks` on the workers and return the rows that they read; the first failure cancels the rest."""
    from distributed import as_completed

    topic = f"airlsh-{build}"
    rows = 0
    with progress("load", total=total) as meter:
        dask.subscribe_topic(topic, lambda event: meter.advance(event[1]))
        # Keys of their own: a worker may still be busy with a cancelled task of an earlier try.
        futures = dask.map(load_span, tasks, pure=False, key=f"load-{build}-{secrets.token_hex(4)}", retries=0)
        try:
            for future in as_completed(futures, loop=dask.loop):
                if future.status != "finished":
                    error = future.exception()
                    raise error if error is not None else LoadError(tasks[0].index, "load", f"was {future.status}")
                rows += future.result()
        finally:
            dask.cancel(futures, force=True)
            dask.unsubscribe_topic(topic)
    if rows != total:
        raise LoadError(tasks[0].index, "load", f"{total:,} rows were planned, the workers speak of {rows:,}")
    return rows
