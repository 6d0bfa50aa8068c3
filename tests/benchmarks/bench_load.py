"""Rows a second of an index run, beside the ceiling of the server, in one run on one machine.

The ceiling is a bare loop: ready-made bodies of the same documents, posted by three threads, nothing else.
Elasticsearch and two Dask workers are started for the run unless ``--es`` and ``--dask`` name others.

Real vectors are taken from ``--source`` (Parquet with ``id`` and ``embedding``); otherwise clustered ones
are made: 2,000 clusters with sizes and spreads that differ, 128 dimensions, float32.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from own_servers import own_servers

from lsh_core.elastic.node_pool import NodePool
from lsh_core.jobs.index import STAGES, summarise
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.plan import read_plan
from lsh_core.jobs.train import train
from lsh_core.loading.bulk_sender import BulkSender
from lsh_core.loading.bulk_transport import BulkAnswer
from lsh_core.loading.chunk_loader import ChunkLoader
from lsh_core.models.store import read_model
from lsh_core.settings import IndexSettings, TrainSettings

CEILING_THREADS = 3
ROW_GROUP = 50_000
WARM_UP_ROWS = 150_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--source", help="Parquet file with real vectors; default: made ones")
    parser.add_argument("--es", help="one address; default: a node of its own")
    parser.add_argument("--dask", help="scheduler; default: two workers of its own")
    parser.add_argument("--metric", default="l2")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    results = []
    with own_servers(arguments.es, arguments.dask) as (services, folder):
        # A JVM that has just started compiles for its first rows, and a worker imports: neither side should pay here.
        run(WARM_UP_ROWS, prepare(arguments.source, WARM_UP_ROWS, folder), arguments.metric, services)
        for rows in arguments.rows:
            source = prepare(arguments.source, rows, folder)
            results.append(run(rows, source, arguments.metric, services))
            show(results[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


def prepare(source: str | None, rows: int, folder: Path) -> str:
    """Write the first `rows` rows of `source`, or made ones, to a file of their own."""
    path = folder / f"rows-{rows}.parquet"
    if path.exists():
        return str(path)
    if source:
        table = pq.read_table(source, columns=["id", "embedding"]).slice(0, rows)
        if len(table) < rows:
            sys.exit(f"{source} has {len(table)} rows, {rows} are wanted")
    else:
        table = made_rows(rows)
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="zstd")
    return str(path)


def made_rows(rows: int, dims: int = 128, clusters: int = 2_000) -> pa.Table:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(clusters, dims)).astype(np.float32) * 4
    spreads = generator.lognormal(sigma=0.4, size=clusters).astype(np.float32)
    weights = generator.pareto(1.5, size=clusters) + 0.1
    owners = generator.choice(clusters, size=rows, p=weights / weights.sum())
    vectors = centres[owners] + generator.standard_normal((rows, dims), dtype=np.float32) * spreads[owners, np.newaxis]
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dims)
    return pa.table({"id": pa.array([f"row-{row:08d}" for row in range(rows)]), "embedding": embedding})


def run(rows: int, source: str, metric: str, services: Services) -> dict[str, Any]:
    """Train, index stage by stage, then post the very same bodies ready-made; return the figures."""
    name = f"bench-{rows}"
    with Processes(services) as training:
        model = train(TrainSettings(name=name, source=source, metric=metric), services)
    settings = IndexSettings(name=name, source=source, promote=False)
    build = f"bench-{rows}-{os.getpid()}"
    stages: dict[str, dict[str, float]] = {}
    with Processes(services) as whole:
        for stage in STAGES:
            with Processes(services) as one:
                stage(settings, build, services)
            stages[stage.__name__] = one.figures()
    report = summarise(settings, build, services)
    # In a process of its own: its bodies must not count as memory of the clients.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        ceiling, ceiling_cpu = apart.submit(post_ready_made, settings, build, report.index, services).result()
    client = services.connection.client()
    client.indices.delete(index=report.index)
    load = stages["load"]["seconds"]
    return {
        "rows": rows,
        "model": {"lists": model.model_id, "fit_seconds": model.seconds["fit"], **training.figures()},
        "stages": stages,
        "work_seconds": report.work_seconds,
        "load_rows_per_second": rows / load,
        "ceiling_rows_per_second": rows / ceiling,
        "ratio": ceiling / load,
        "server_core_microseconds_per_row": {
            "load": stages["load"]["server_cpu_seconds"] / rows * 1e6,
            "ceiling": ceiling_cpu / rows * 1e6,
        },
        "client_core_microseconds_per_row": stages["load"]["client_cpu_seconds"] / rows * 1e6,
        "peak_client_megabytes": whole.figures()["peak_client_megabytes"],
        "recall": report.recall,
    }


def post_ready_made(settings: IndexSettings, build: str, index: str, services: Services) -> tuple[float, float]:
    """Post the bodies of `build` into an empty twin of its index; return the seconds, and those of the server's CPU."""
    connection = services.connection
    bodies = ready_made(settings, build, services)
    client = connection.client()
    twin = "airlsh-bench-ceiling"
    client.options(ignore_status=404).indices.delete(index=twin)
    mappings = client.indices.get_mapping(index=index)[index]["mappings"]
    kept = ("index.sort.field", "index.sort.order", "index.queries.cache.enabled", "index.mapping.coerce")
    original = client.indices.get_settings(index=index, flat_settings=True)[index]["settings"]
    client.indices.create(
        index=twin,
        mappings=mappings,
        settings={key: original[key] for key in kept if key in original}
        | {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.refresh_interval": "-1"},
    )
    clients = itertools.count()

    def post(body: bytes) -> None:
        answer = connection.client(next(clients)).perform_request(
            "POST",
            f"/{twin}/_bulk?filter_path=errors",
            headers={"content-type": "application/x-ndjson", "accept": "application/json"},
            body=body,
        )
        if answer.body["errors"]:
            raise RuntimeError("the ceiling's rows were refused")

    with Processes(services) as posting, ThreadPoolExecutor(CEILING_THREADS) as pool:
        list(pool.map(post, bodies))
    client.indices.refresh(index=twin)
    if client.count(index=twin)["count"] != sum(body.count(b"\n") // 2 for body in bodies):
        raise RuntimeError("the ceiling lost rows")
    client.indices.delete(index=twin)
    return posting.figures()["seconds"], posting.figures()["server_cpu_seconds"]


class Collector:
    """Takes the bodies that a loader sends instead of a server, and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def post(self, node: int, body: bytes) -> BulkAnswer:
        self.bodies.append(body)
        rows = body.count(b"\n") // 2
        return BulkAnswer(200, {"errors": False, "items": [{"index": {"status": 201}}] * rows})

    def primaries_ready(self) -> bool:
        return True


def ready_made(settings: IndexSettings, build: str, services: Services) -> list[bytes]:
    """The very bodies that the load of `build` sent."""
    plan = read_plan(settings, build, services)
    model = read_model(services.cluster, settings.name, plan.vector.model_id)
    collector = Collector()
    load_plan = plan.load_plan(settings, build, services.connection.urls)
    sender = BulkSender(collector, NodePool(1), plan.index, wait_seconds=60)
    loader = ChunkLoader(load_plan, model, sender, lambda *_: None)
    for file_number, file in enumerate(plan.files):
        chunks = [chunk for chunk in plan.chunks() if chunk.file == file_number]
        for _ in loader.load(file, chunks):
            pass
    return collector.bodies


class Processes:
    """CPU seconds of client and server processes over a block, and the peak memory of the clients.

    Clients are this process and the Dask workers (memory: proportional set size, sampled ten times a second);
    servers are the Elasticsearch nodes, if they run on this machine.
    """

    def __init__(self, services: Services) -> None:
        from distributed import Client

        with Client(services.dask, set_as_default=False) as client:
            pids = client.run(os.getpid).values()
        self._clients = [psutil.Process(), *(psutil.Process(pid) for pid in pids)]
        ports = {int(url.rsplit(":", 1)[1]) for url in services.connection.urls}
        self._servers = [
            psutil.Process(connection.pid)
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports and connection.pid
        ]
        self._peak = 0.0

    def __enter__(self) -> Processes:
        self._started = time.perf_counter()
        self._client_cpu, self._server_cpu = cpu(self._clients), cpu(self._servers)
        self._stopped = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._started
        self._stopped.set()
        self._sampler.join()
        self._client_cpu = cpu(self._clients) - self._client_cpu
        self._server_cpu = cpu(self._servers) - self._server_cpu

    def _sample(self) -> None:
        while not self._stopped.wait(0.1):
            self._peak = max(self._peak, sum(each.memory_full_info().pss for each in self._clients))

    def figures(self) -> dict[str, float]:
        return {
            "seconds": round(self._seconds, 3),
            "client_cpu_seconds": round(self._client_cpu, 3),
            "server_cpu_seconds": round(self._server_cpu, 3),
            "peak_client_megabytes": round(self._peak / 1e6, 1),
        }


def cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def show(result: dict[str, Any]) -> None:
    print(f"\n{result['rows']:,} rows")
    print(f"  {'stage':10} {'seconds':>8} {'client CPU s':>13} {'server CPU s':>13} {'core-us/row':>12} {'peak MB':>8}")
    rows = {"train": result["model"], **result["stages"]}
    for stage, figures in rows.items():
        both = (figures["client_cpu_seconds"] + figures["server_cpu_seconds"]) / result["rows"] * 1e6
        print(
            f"  {stage:10} {figures['seconds']:8.1f} {figures['client_cpu_seconds']:13.1f} "
            f"{figures['server_cpu_seconds']:13.1f} {both:12.1f} {figures['peak_client_megabytes']:8.0f}"
        )
    print("  worker seconds: " + ", ".join(f"{what} {seconds:.1f}" for what, seconds in result["work_seconds"].items()))
    print(
        f"  load {result['load_rows_per_second']:,.0f} rows/s, "
        f"ceiling {result['ceiling_rows_per_second']:,.0f} rows/s, "
        f"ratio {result['ratio']:.2f}; client {result['client_core_microseconds_per_row']:.1f} core-us/row, server "
        f"{result['server_core_microseconds_per_row']['load']:.1f} (ceiling "
        f"{result['server_core_microseconds_per_row']['ceiling']:.1f})"
    )
    print(f"  peak of all client processes {result['peak_client_megabytes']:.0f} MB; recall@10 {result['recall']}")


if __name__ == "__main__":
    main()
