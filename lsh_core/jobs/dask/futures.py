"""Follows Dask futures until they end, and watches that workers accept them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from lsh_core.errors import UnavailableError
from lsh_core.jobs.dask.worker_liveness import WorkerLiveness

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_SECONDS = 0.05
_ASK_SECONDS = 10.0
_TOLD_SECONDS = 0.5  # Until scheduler and client both know of a task that was just submitted or cancelled.
_GOING_ON = ("pending", "lost")
"""States of a future that has not ended. Results die with the worker that holds them, and their tasks run again."""

AnyFuture = TypeVar("AnyFuture", bound="Future[Any]")


def follow_futures(
    client: Client,
    futures: Iterable[AnyFuture],
    *,
    open_at_most: int | None = None,
    resources: Mapping[str, float] | None = None,
    check: Callable[[], None] = lambda: None,
    resubmit: Callable[[AnyFuture], AnyFuture | None] = lambda _: None,
) -> Iterator[AnyFuture]:
    """Yield futures as they end, with success or failure.

    Parameters
    ----------
    futures
        Futures, consumed as there is room: a generator that submits its tasks has at most `open_at_most` tasks on the
        scheduler.
    open_at_most
        Maximum number of futures waited for at a time; None: all.
    resources
        Resources that a worker must offer to take the tasks.
    check
        Called several times a second; an error that it raises ends the wait.
    resubmit
        Returns a future in place of an ended future; None yields the ended future.

    Raises
    ------
    UnavailableError
        The scheduler is gone, or has forgotten a task; or no worker accepts tasks, see `WorkerLiveness`.
    """
    ahead, going_on = iter(futures), list[AnyFuture]()
    liveness, asked_at = WorkerLiveness(client, resources), time.monotonic()
    while True:
        room = None if open_at_most is None else max(0, open_at_most - len(going_on))
        going_on += islice(ahead, room)
        if not going_on:
            return
        check()
        liveness.require()
        looked_at, going_on = going_on, []
        ended: list[AnyFuture] = []
        for future in looked_at:
            (going_on if future.status in _GOING_ON else ended).append(future)
        for future in ended:
            if (again := resubmit(future)) is not None:
                going_on.append(again)
            else:
                yield future
        if time.monotonic() - asked_at > _ASK_SECONDS:
            if lost := forgotten(client, going_on):
                raise UnavailableError("Dask scheduler", 0, f"it has forgotten {len(lost)} tasks")
            asked_at = time.monotonic()
        if not ended:
            time.sleep(_LOOK_SECONDS)


def forgotten(client: Client, futures: Sequence[AnyFuture]) -> list[AnyFuture]:
    """Return the futures whose tasks the scheduler does not know; they stay pending for ever.

    A scheduler forgets the tasks of a client that is gone. It may publish their futures afterwards, if the client died
    in between.
    """
    missing = list(futures)
    for is_second in (False, True):
        if client.scheduler is None or not missing:
            return []
        if is_second:
            time.sleep(_TOLD_SECONDS)
        states = client.sync(client.scheduler.get_task_status, keys=[future.key for future in missing])
        missing = [future for future in missing if states[future.key] is None and future.status in _GOING_ON]
    return missing
