"""How many threads a worker may use: its share of the cores of its machine, as there are others on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

from lsh_core.errors import SettingsError

logger = logging.getLogger(__name__)


def limit_to_share(workers_on: Mapping[str, int]) -> None:
    """Give the network of this process this worker's share of the cores, unless it has begun with another number.

    Parameters
    ----------
    workers_on
        How many workers there are on each machine, by its address.
    """
    _limit(_share(workers_on))


def threads_of_a_task(workers_on: Mapping[str, int]) -> int:
    """Return how many threads one of the tasks that run on this worker at the same time may use."""
    return max(1, _share(workers_on) // _tasks_at_a_time())


def _share(workers_on: Mapping[str, int]) -> int:
    from dask.system import CPU_COUNT  # What the container allows, where it allows less than all.

    return max(1, CPU_COUNT // max(1, workers_on.get(_machine(), 1)))


@cache
def _limit(threads: int) -> None:
    from lsh_core.features.devices import limit_threads

    try:
        limit_threads(threads)
    except SettingsError as error:
        logger.info("features: %s", error)


def _machine() -> str:
    from distributed import get_worker
    from distributed.comm.addressing import get_address_host

    try:
        return str(get_address_host(get_worker().address))
    except ValueError:  # Not on a Dask worker.
        return ""


def _tasks_at_a_time() -> int:
    from distributed import get_worker

    try:
        return max(1, int(get_worker().state.nthreads))
    except ValueError:
        return 1
