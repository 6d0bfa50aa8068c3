"""Thread budget of a worker: its share of the cores of its machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

from lsh_core.errors import SettingsError

logger = logging.getLogger(__name__)


def limit_to_share(workers_on: Mapping[str, int]) -> None:
    """Limit the encoder of this process to the worker's share of the cores.

    An encoder that already runs with another number of threads is not changed.

    Parameters
    ----------
    workers_on
        Number of workers on each machine, by its address.
    """
    _limit(_share(workers_on))


def threads_of_a_task(workers_on: Mapping[str, int], resources: Mapping[str, float] | None = None) -> int:
    """Return the number of threads that one task on this worker may use.

    The tasks that run at the same time share the threads of the worker.

    Parameters
    ----------
    resources
        Resources that each task takes.
    """
    return max(1, _share(workers_on) // _tasks_here(resources))


def tasks_at_a_time(threads: int, offered: Mapping[str, float], taken: Mapping[str, float] | None) -> int:
    """Return the number of tasks with these resources that a worker runs at once.

    A worker with a GPU has one GPU, and by default a thread per core.
    """
    return max(1, min([threads, *(int(offered.get(name, 0) // count) for name, count in (taken or {}).items())]))


def _share(workers_on: Mapping[str, int]) -> int:
    from dask.system import CPU_COUNT  # The limit of the container, if it is lower than the number of cores.

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
    except ValueError:  # Outside a Dask worker.
        return ""


def _tasks_here(resources: Mapping[str, float] | None) -> int:
    from distributed import get_worker

    try:
        state = get_worker().state
    except ValueError:
        return 1
    return tasks_at_a_time(state.nthreads, state.total_resources, resources)
