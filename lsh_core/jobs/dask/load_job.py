"""Dask job of a load: submitted once, adopted by a resumed run, cancelled as a whole.

The futures are published on the scheduler, so they outlive the process that submitted them. A build has one job. The
next run adopts it if the write fence is still open for its epoch, and cancels it otherwise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsh_core.errors import LoadError
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.dask.span_task import SpanTask, load_span
from lsh_core.progress import progress

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

_TOLD_SECONDS = 0.5  # A future that was just found is "pending" until the scheduler has reported its state.


@dataclass(frozen=True)
class LoadJob:
    """Spans of one build that were submitted together.

    Attributes
    ----------
    epoch
        Epoch of the write fence under which the spans write.
    rows
        Rows of all spans.
    """

    build: str
    epoch: int
    rows: int
    futures: tuple[Future[int], ...]


def submit(dask: Client, build: str, epoch: int, tasks: Sequence[SpanTask]) -> LoadJob:
    """Submit `tasks` and publish their futures."""
    # The keys are unique: a worker may still be busy with a cancelled task of an earlier try.
    futures = dask.map(load_span, tasks, pure=False, key=f"load-{build}-{epoch}", retries=0)
    job = LoadJob(build, epoch, sum(task.span.rows for task in tasks), tuple(futures))
    dask.publish_dataset({"epoch": epoch, "rows": job.rows, "futures": list(futures)}, name=_dataset(build))
    return job


def find(dask: Client, build: str) -> LoadJob | None:
    """Return the job of `build` on the scheduler, or None."""
    try:
        found = dask.get_dataset(_dataset(build))
    except KeyError:
        return None
    time.sleep(_TOLD_SECONDS)
    return LoadJob(build, found["epoch"], found["rows"], tuple(found["futures"]))


def cancel(dask: Client, build: str) -> bool:
    """Cancel the job of `build`; return whether there was one.

    Running threads continue until the write fence refuses them.
    """
    job = find(dask, build)
    if job is None:
        return False
    dask.cancel(list(job.futures), force=True)
    dask.unpublish_dataset(_dataset(build))
    return True


def follow(dask: Client, job: LoadJob, index: str, check: Callable[[], None], told: Callable[[int, int], None]) -> None:
    """Wait until every span is loaded.

    Parameters
    ----------
    check
        Called several times a second; an error that it raises ends the wait.
    told
        Called on another thread with the row count and the refused row count of each finished chunk.

    Raises
    ------
    LoadError
        A span failed, or another client cancelled it.
    UnavailableError
        The scheduler is gone, or has forgotten a span; or no worker accepts tasks.
    """
    topic = f"airlsh-{job.build}"
    with progress("load", total=job.rows) as meter:

        def on_chunk(event: tuple[float, tuple[int, int]]) -> None:
            _, (rows, refused) = event
            told(rows, refused)
            meter.advance(rows)

        dask.subscribe_topic(topic, on_chunk)
        try:
            for future in follow_futures(dask, job.futures, check=check):
                if future.status == "error":
                    raise future.exception()
                if future.status != "finished":
                    raise LoadError(index, "load", f"was {future.status}")
        finally:
            if dask.status == "running":
                dask.unsubscribe_topic(topic)
    dask.unpublish_dataset(_dataset(job.build))


def _dataset(build: str) -> str:
    return f"airlsh-load-{build}"
