"""CPU and wall milliseconds of the Python client for a search, beside the client of Elasticsearch on the same searches.

    python tests/benchmarks/bench_client.py                            # a server of ready bytes: the client alone
    python tests/benchmarks/bench_client.py --es http://127.0.0.1:9200 # a node: an index is made for the run
    python tests/benchmarks/bench_client.py --profile                  # and where the time goes

The model has 16,000 lists of made centroids (clustered; 30 inner dimensions), 26 of which each search visits. `search`
sends one search a request, `search_many` sixteen. The rival does what airlsh did before: it compares the query with all
centroids, sends the vector as JSON numbers by `Elasticsearch.msearch`, and reads `_id`. CPU is that of this process and
the kernel's work for it (`process_time`), the best of five rounds, since other processes only add to it.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from ready_server import ready_server

from lsh_core.builds.bulk_lines import BulkLineEncoder
from lsh_core.builds.mapping import BuildMeta, VectorField, build_body
from lsh_core.elastic.bulk_requests import post_bulk
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.models.effort import Effort
from lsh_core.models.ivf import IVF
from lsh_core.models.probing import relative_gaps, smallest
from lsh_core.models.threads import one_blas_thread
from lsh_core.search.results import Response, read_result
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.search.vector_index import VectorIndex

LISTS, PROBES, K, INNER, AT_ONCE = 16_000, 26, 10, 30, 16
SEARCHES, ROUNDS, ROWS = 480, 5, 20_000
INDEX = "airlsh-bench-b1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--es", help="address of a node; default: a server of ready bytes")
    parser.add_argument("--dims", type=int, nargs="*", default=[128, 768])
    parser.add_argument("--profile", action="store_true", help="print the functions that take most of the time")
    arguments = parser.parse_args()
    lines = [
        "| dims | client | search: CPU, ms | wall, ms | search_many: CPU, ms | wall, ms |",
        "|---|---|---|---|---|---|",
    ]
    for dims in arguments.dims:
        made = make(dims)
        with server(arguments.es, made) as url:
            for name, client in (("airlsh", Lean(made, url)), ("Elasticsearch's", Rival(made, url))):
                one, many = measured(client.search, 1), measured(client.search_many, AT_ONCE)
                lines.append(f"| {dims} | {name} | {one[0]:.3f} | {one[1]:.3f} | {many[0]:.3f} | {many[1]:.3f} |")
                sys.stderr.write(lines[-1] + "\n")
                if arguments.profile:
                    profile(client.search)
    sys.stdout.write("\n".join(lines) + "\n")


@dataclass
class Made:
    """A build that no job has made, and queries."""

    build: SearchableBuild
    queries: np.ndarray


def make(dims: int) -> Made:
    """Return a build of made centroids, and queries near them."""
    generator = np.random.default_rng(0)
    plane = generator.normal(size=(INNER, dims)) / np.sqrt(INNER)
    inner = generator.normal(size=(400, INNER))[generator.integers(0, 400, LISTS)]
    inner += 0.5 * generator.normal(size=inner.shape)
    centroids = (inner @ plane + 0.02 * generator.normal(size=(LISTS, dims))).astype(np.float32)
    queries = centroids[:2000] + 0.1 * generator.normal(size=(2000, dims)).astype(np.float32)
    model = IVF(lists=LISTS)
    model.dims_, model.centroids_, model.lists_, model.spill_, model.backend_ = dims, centroids, LISTS, 3, "numpy"
    lists = {"token_prefix": "Abcd", "token_width": 5, "lists": LISTS, "lookup_lists": 16}
    field = VectorField("v", dims, "l2", "l2_norm", "bench-1", "ab" * 32, "ivf", PROBES, "lists", lists)
    meta = BuildMeta("bench", "b1", "made", "x", (field,), "0")
    return Made(SearchableBuild(INDEX, meta, 1, model), queries)


@contextmanager
def server(es: str | None, made: Made) -> Iterator[str]:
    """Yield the address of a server of ready bytes, or of `es` with an index of 20,000 rows."""
    if es is None:
        with ready_server() as url:
            yield url
        return
    client = Connection((es,)).client()
    client.options(ignore_status=404).indices.delete(index=INDEX)
    client.indices.create(index=INDEX, **build_body(made.build.meta, {}, shards=1, replicas=0))
    load(client, made)
    client.indices.refresh(index=INDEX)
    client.indices.forcemerge(index=INDEX, max_num_segments=1)
    try:
        yield es
    finally:
        client.indices.delete(index=INDEX)


def load(client: Any, made: Made) -> None:
    """Index 20,000 rows near the centroids, in the nearest three lists of each."""
    import pyarrow as pa

    build, generator = made.build, np.random.default_rng(1)
    centroids = build.model.centroids_
    rows = centroids[generator.integers(0, LISTS, ROWS)]
    rows = rows + 0.1 * generator.normal(size=rows.shape).astype(np.float32)
    writer, others = BulkLineEncoder(build.field, {}), pa.table({"a": pa.nulls(1000)}).select([])
    for start in range(0, ROWS, 1000):
        some = rows[start : start + 1000]
        near = build.model.probe(some, 16)
        numbers = np.arange(start, start + 1000)
        ids = [str(number) for number in numbers]
        lines = writer.rows(ids, some, near[:, :3], near, chunk=0, row_numbers=numbers, others=others)
        answer = post_bulk(client, INDEX, b"".join(lines), require_alias=False)
        if any(item["index"]["status"] != 201 for item in answer["items"]):
            raise RuntimeError(f"not all rows were indexed: {answer['items'][0]}")


class Lean:
    """`VectorIndex`, with a build that it need not look up."""

    def __init__(self, made: Made, url: str) -> None:
        self._index = VectorIndex("bench", url, index=INDEX)
        self._index._live._resolved = made.build  # type: ignore[assignment]
        self._queries = made.queries

    def search(self, numbers: range) -> None:
        """Search for each query by itself."""
        for number in numbers:
            self._index.search(self._queries[number], k=K, fields=(), probes=PROBES)

    def search_many(self, numbers: range) -> None:
        """Search for the queries, sixteen in a request."""
        for _ in self._index.search_many(self._queries[numbers.start : numbers.stop], k=K, fields=(), probes=PROBES):
            pass


class Rival:
    """The client of Elasticsearch with plain bodies, and a comparison with all centroids."""

    def __init__(self, made: Made, url: str) -> None:
        self._made, self._cluster = made, Cluster(Connection((url,)), watch=False)
        self._norms = np.einsum("ij,ij->i", made.build.model.centroids_, made.build.model.centroids_)

    def search(self, numbers: range) -> None:
        """Search for each query by itself."""
        for number in numbers:
            self._search(self._made.queries[number : number + 1])

    def search_many(self, numbers: range) -> None:
        """Search for the queries, sixteen in a request."""
        for start in range(numbers.start, numbers.stop, AT_ONCE):
            self._search(self._made.queries[start : start + AT_ONCE])

    def _search(self, vectors: np.ndarray) -> None:
        build = self._made.build
        with one_blas_thread():
            lists, _ = smallest(relative_gaps(vectors, build.model.centroids_, self._norms), PROBES)
        strategy, searches, queries = build.field.strategy, [], []
        for vector, codes in zip(vectors, lists, strict=True):
            words = build.field.tokens.words(codes)
            query = strategy.by_vector(
                vector.tolist(), words, k=K, effort=Effort("probes", PROBES), shards=1, fields=()
            )
            dropped = ("stored_fields", "docvalue_fields")
            body = {name: value for name, value in query.body.items() if name not in dropped}
            searches += [{"index": INDEX, "allow_partial_search_results": False}, body]
            queries.append(query)
        answer = self._cluster.run(lambda client: client.msearch(searches=searches)["responses"])
        for response, query in zip(answer, queries, strict=True):
            read_result(Response.from_json(response), query, build)


def measured(search: Callable[[range], None], at_once: int) -> tuple[float, float]:
    """Return CPU and wall milliseconds of a search: the best of five rounds of distinct queries."""
    starts = itertools.cycle(range(0, 2000 - SEARCHES, SEARCHES))
    search(range(0, 10 * at_once))
    rounds = []
    for _ in range(ROUNDS):
        start, wall, cpu = next(starts), time.perf_counter(), time.process_time()
        search(range(start, start + SEARCHES))
        rounds.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpus, walls = zip(*rounds, strict=True)
    return 1000 * min(cpus) / SEARCHES, 1000 * min(walls) / SEARCHES


def profile(search: Callable[[range], None]) -> None:
    """Print the functions that take most of the time of a search."""
    profiler = cProfile.Profile()
    profiler.runcall(search, range(0, SEARCHES))
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
