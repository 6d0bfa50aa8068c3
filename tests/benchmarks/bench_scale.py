"""Seconds, CPU, memory and disk of `train` and `index` as the rows grow, and the recall that was promised.

    python tests/benchmarks/bench_scale.py --rows 1000000 3000000 10000000
    python tests/benchmarks/bench_scale.py --rows 1000000 --source base.parquet --queries queries.parquet

One node and two Dask workers. The made rows come from a seed: 64 numbers each, drawn from clusters of very different
sizes and spreads that overlap in 24 dimensions, so that a search of few lists misses neighbours. They are written to
disk in files of a million rows. 500 more rows of the same kind are queries; their true neighbours are found while the
rows are made, in float64, without the index.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import datasets
from own_servers import own_servers
from processes import Processes
from promises import promises

from lsh_core.jobs.index import STAGES, summarise
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.query_file import read_query_vectors
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings

QUERIES = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--source", help="Parquet file with id and embedding, of which the first rows are used")
    parser.add_argument("--queries", help="FILE.npy or FILE.parquet; needed with --source")
    parser.add_argument("--metric", default="l2")
    parser.add_argument("--lists", type=int, help="default: as `airlsh train` chooses")
    parser.add_argument("--json", type=Path, help="write the figures here as well, after each size")
    arguments = parser.parse_args()
    results = []
    for rows in arguments.rows:
        # Servers of its own for each size: the heap of a node does not shrink at once.
        with own_servers() as (services, folder):
            data = dataset(arguments, rows, folder / "source")
            results.append(run(rows, data, arguments, services))
            show(results[-1])
            shutil.rmtree(folder / "source")
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2))
    sys.stdout.write("\n".join(tables(results)) + "\n")


def dataset(arguments: argparse.Namespace, rows: int, folder: Path) -> datasets.Dataset:
    """Write rows of a source or made ones."""
    if arguments.source:
        parts = datasets.read_parts(arguments.source, rows)
        return datasets.write(parts, read_query_vectors(arguments.queries), arguments.metric, folder)
    # Every size draws from the same clusters.
    made = datasets.MadeRows(dims=64, inner=24, clusters=20_000, spread=0.37)
    return datasets.write(made.parts(rows), made.queries(QUERIES), arguments.metric, folder)


def run(rows: int, data: datasets.Dataset, arguments: argparse.Namespace, services: Services) -> dict[str, Any]:
    """Train and index stage by stage; hold the promises against the queries; delete the index."""
    name = f"scale-{rows}"
    stages: dict[str, dict[str, float]] = {}
    settings = TrainSettings(name=name, source=data.source, metric=arguments.metric, lists=arguments.lists)
    with Processes(services) as training:
        train(settings, services)
    stages["train"] = training.figures()
    indexing = IndexSettings(name=name, source=data.source)
    build = f"scale-{rows}-{os.getpid()}"
    for stage in STAGES:
        with Processes(services) as one:
            stage(indexing, build, services)
        stages[stage.__name__] = one.figures()
    report = summarise(indexing, build, services)
    client = services.connection.client()
    stats = client.indices.stats(index=report.index)["_all"]["primaries"]
    with VectorIndex(name, services.connection) as searcher:
        kept = list(promises(searcher, data))
    client.indices.delete(index=report.index)
    return {
        "rows": rows,
        "stages": stages,
        "work_seconds": report.work_seconds,
        "recall": report.recall,
        "effort": report.effort,
        "bytes": stats["store"]["size_in_bytes"],
        "promises": kept,
    }


def show(result: dict[str, Any]) -> None:
    """Print the stages of one size."""
    sys.stderr.write("\n".join(_stage_lines(result)) + "\n")


def _stage_lines(result: dict[str, Any]) -> list[str]:
    lines = [
        f"\n{result['rows']:,} rows, {result['bytes'] / 1e6:,.0f} MB, recall@10 {result['recall']}",
        "| stage | s | client core-us/row | server core-us/row | command MB | workers MB | heap MB | disk MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for stage, each in result["stages"].items():
        lines.append(
            f"| {stage} | {each['seconds']:.1f} | {each['client_cpu_seconds'] / result['rows'] * 1e6:.1f} | "
            f"{each['server_cpu_seconds'] / result['rows'] * 1e6:.1f} | {each['peak_command_megabytes']:.0f} | "
            f"{each['peak_workers_megabytes']:.0f} | {each['peak_heap_megabytes']:.0f} | "
            f"{each['peak_disk_megabytes']:.0f} |"
        )
    work = result["work_seconds"]
    lines.append(
        "worker core-us/row: " + ", ".join(f"{name} {each / result['rows'] * 1e6:.1f}" for name, each in work.items())
    )
    lines += [str(promise) for promise in result["promises"]]
    return lines


def tables(results: list[dict[str, Any]]) -> list[str]:
    """Return the seconds of each stage by size, with the growth against rows and against rows times their root."""
    names = list(results[0]["stages"])
    lines = [f"| rows | {' | '.join(names)} | hash core-us/row |", "|---" * (len(names) + 2) + "|"]
    for result in results:
        seconds = " | ".join(f"{result['stages'][name]['seconds']:.1f}" for name in names)
        lines.append(
            f"| {result['rows']:,} | {seconds} | {result['work_seconds']['hash'] / result['rows'] * 1e6:.1f} |"
        )
    for before, after in itertools.pairwise(results):
        factor = after["rows"] / before["rows"]
        growth = [after["stages"][name]["seconds"] / max(before["stages"][name]["seconds"], 0.1) for name in names]
        lines.append(
            f"{before['rows']:,} to {after['rows']:,}: rows x {factor:.1f}, rows·√rows x {factor**1.5:.1f}; seconds "
            + ", ".join(f"{name} x {each:.1f}" for name, each in zip(names, growth, strict=True))
        )
    return lines


if __name__ == "__main__":
    main()
