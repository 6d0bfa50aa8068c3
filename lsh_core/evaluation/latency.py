"""Measures the latency of searches, with one client and with several."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsh_core.search.vector_index import VectorIndex

WARM_UP = 8


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a search by percentile, and searches per second of all clients."""

    clients: int
    searches: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float


def measure_latency(
    searcher: VectorIndex,
    vectors: npt.NDArray[np.float32],
    *,
    k: int,
    effort: float | None,
    clients: int,
    searches: int,
) -> Latency:
    """Search for `vectors`, (q, d), one search per request and one request per client.

    Parameters
    ----------
    effort
        In the unit of the build's model; None: its default.
    """
    given: dict[str, Any] = {} if effort is None else {searcher.build.model.effort_name: effort}
    turn = itertools.count()

    def one() -> float:
        vector = vectors[next(turn) % len(vectors)]
        started = time.perf_counter()
        searcher.search(vector, k=k, fields=(), **given)
        return time.perf_counter() - started

    def client(number: int) -> list[float]:
        return [one() for _ in range(searches // clients)]

    for _ in range(WARM_UP):
        one()
    with ThreadPoolExecutor(clients) as pool:
        started = time.perf_counter()
        seconds = [each for some in pool.map(client, range(clients)) for each in some]
        wall = time.perf_counter() - started
    p50, p95, p99 = (round(1000 * float(each), 2) for each in np.quantile(seconds, [0.5, 0.95, 0.99]))
    return Latency(clients, len(seconds), p50, p95, p99, round(len(seconds) / wall, 1))
