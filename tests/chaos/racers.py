"""Processes that do something at the same moment, and processes that search all the while."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lsh_core.elastic.connection import Connection
from lsh_core.errors import AirlshError
from lsh_core.jobs.services import Services
from lsh_core.search.vector_index import VectorIndex

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Barrier, Event

    from elasticsearch import Elasticsearch

START_SECONDS = 60.0
PAUSE_SECONDS = 0.02  # Between searches: rivals and server have two cores with the readers.
NEIGHBOURS = 10

_SPAWN = multiprocessing.get_context("spawn")
_together: Barrier


@dataclass(frozen=True)
class Action:
    """A call of ``job(settings, services)``."""

    job: Callable[[Any, Services], Any]
    settings: Any


@dataclass(frozen=True)
class Outcome:
    """What came of an action, and the process it was done in."""

    process: int
    result: Any = None
    error: AirlshError | None = None


@dataclass
class Seen:
    """What a reader saw: the mark that each build's answers bore, and whatever should not have been."""

    searches: int = 0
    marks: dict[str, set[int]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Racers:
    """As many processes as a race has actions; they stay for the next race."""

    def __init__(self, count: int, urls: Sequence[str], dask: str) -> None:
        barrier = _SPAWN.Barrier(count)
        self._servers = (tuple(urls), dask)
        self._pool = ProcessPoolExecutor(count, mp_context=_SPAWN, initializer=_enter, initargs=(barrier,))

    def race(self, *actions: Action) -> list[Outcome]:
        """Start all actions at once, each in its own process, and return what came of them, in their order."""
        running = [self._pool.submit(_run, action, *self._servers) for action in actions]
        return [each.result() for each in running]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


@contextmanager
def reading(count: int, urls: Sequence[str], name: str, queries: np.ndarray) -> Iterator[list[Seen]]:
    """Search `name` with `count` processes all through the block; what they saw is in the list when it ends.

    Every document has a number ``mark``, which is that of its build.
    """
    ready, stopped, results = _SPAWN.Barrier(count + 1), _SPAWN.Event(), _SPAWN.SimpleQueue()
    arguments = (tuple(urls), name, queries, ready, stopped, results)
    readers = [_SPAWN.Process(target=_read, args=arguments) for _ in range(count)]
    seen: list[Seen] = []
    for reader in readers:
        reader.start()
    try:
        ready.wait(START_SECONDS)
        yield seen
    finally:
        stopped.set()
        seen += [results.get() for reader in readers if reader.is_alive()]
        for reader in readers:
            reader.join()


def _enter(barrier: Barrier) -> None:
    global _together
    _together = barrier


def _run(action: Action, urls: tuple[str, ...], dask: str) -> Outcome:
    _together.wait(START_SECONDS)
    try:
        result = action.job(action.settings, Services(Connection(urls), dask))
    except AirlshError as error:
        return Outcome(os.getpid(), error=error)
    return Outcome(os.getpid(), result)


def _read(
    urls: tuple[str, ...], name: str, queries: np.ndarray, ready: Barrier, stopped: Event, results: SimpleQueue[Seen]
) -> None:
    """Search, and look at the alias, in turn; note every error, every short answer, and every mixed one."""
    connection, seen = Connection(urls), Seen()
    index, client = VectorIndex(name, connection, wait_seconds=15), connection.client()
    ready.wait(START_SECONDS)
    try:
        while not stopped.wait(PAUSE_SECONDS):
            _look(index, client, name, queries[seen.searches % len(queries)], seen)
    except Exception as error:
        seen.troubles.append(repr(error))
    results.put(seen)


def _look(index: VectorIndex, client: Elasticsearch, name: str, query: np.ndarray, seen: Seen) -> None:
    answer = index.search(query, k=NEIGHBOURS)
    seen.searches += 1
    marks = {neighbour.fields["mark"] for neighbour in answer.neighbours}
    if len(answer.neighbours) != NEIGHBOURS or len(marks) != 1:
        seen.troubles.append(f"{answer.build}: {len(answer.neighbours)} neighbours with the marks {marks}")
    seen.marks.setdefault(answer.build, set()).update(marks)
    behind = list(client.indices.get_alias(name=name))
    if len(behind) != 1:
        seen.troubles.append(f"{name} stands for {behind}")
