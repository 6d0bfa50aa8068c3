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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from own_servers import own_servers
from processes import Processes

from lsh_core.builds.id_hashes import hash_ids
from lsh_core.evaluation.ground_truth import GroundTruth
from lsh_core.evaluation.measurement import lower_bound, measure
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.exact.nearest_rows import NearestRows
from lsh_core.jobs.index import STAGES, summarise
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.query_file import read_query_vectors
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings

DIMS, LATENT = 64, 24
FILE_ROWS, BLOCK, ROW_GROUP = 1_000_000, 100_000, 50_000
QUERIES, K = 500, 10
TARGETS = (0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Dataset:
    """Source on disk, with queries and their true neighbours."""

    source: str
    queries: QuerySet
    truth: GroundTruth


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
            parts = read_parts(arguments.source, rows) if arguments.source else made_parts(rows)
            queries = read_query_vectors(arguments.queries) if arguments.queries else made_queries()
            data = write(parts, queries, rows, arguments.metric, folder / "source")
            results.append(run(rows, data, arguments, services))
            show(results[-1])
            shutil.rmtree(folder / "source")
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2))
    sys.stdout.write("\n".join(tables(results)) + "\n")


class MadeRows:
    """Seeded generator of rows; every size draws from the same clusters per row."""

    def __init__(self, clusters: int) -> None:
        generator = np.random.default_rng(7)
        self._spread = (generator.normal(size=(LATENT, DIMS)) / np.sqrt(LATENT)).astype(np.float32)
        self._centres = generator.normal(size=(clusters, LATENT)).astype(np.float32)
        self._scales = generator.lognormal(mean=-1.0, sigma=0.5, size=clusters).astype(np.float32)
        weights = generator.pareto(1.2, size=clusters) + 0.05
        self._weights = weights / weights.sum()

    def draw(self, rows: int, seed: int) -> npt.NDArray[np.float32]:
        """Return `rows` rows, (rows, 64)."""
        generator = np.random.default_rng((11, seed))
        owners = generator.choice(len(self._weights), size=rows, p=self._weights)
        latent = generator.standard_normal((rows, LATENT), dtype=np.float32) * self._scales[owners, np.newaxis]
        noise = generator.standard_normal((rows, DIMS), dtype=np.float32) * np.float32(0.05)
        return (self._centres[owners] + latent) @ self._spread + noise


CLUSTERS = 20_000


def made_parts(rows: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield made rows in blocks."""
    made = MadeRows(CLUSTERS)
    for number, start in enumerate(range(0, rows, BLOCK)):
        yield made.draw(min(BLOCK, rows - start), number)


def made_queries() -> npt.NDArray[np.float32]:
    """Return rows of the same kind that no source has."""
    return MadeRows(CLUSTERS).draw(QUERIES, 2**31)


def read_parts(source: str, rows: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the first `rows` rows of a Parquet file in blocks."""
    left = rows
    for batch in pq.ParquetFile(source).iter_batches(BLOCK, columns=["embedding"]):
        column = batch.column(0).slice(0, left)
        yield column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).astype(np.float32)
        left -= len(column)
        if not left:
            return
    sys.exit(f"{source} has {rows - left} rows, {rows} are wanted")


def write(
    parts: Iterator[npt.NDArray[np.float32]], queries: npt.NDArray[np.float32], rows: int, metric: str, folder: Path
) -> Dataset:
    """Write the rows to files, and find the true neighbours of the queries on the way."""
    folder.mkdir()
    nearest = NearestRows(queries, K, metric, expected=rows)
    writer = None
    for vectors in parts:
        first = nearest.seen
        nearest.add(vectors)
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        ids = pa.array([f"row-{row:09d}" for row in range(first, first + len(vectors))])
        table = pa.table({"id": ids, "embedding": embedding})
        if first % FILE_ROWS == 0:
            if writer is not None:
                writer.close()
            writer = pq.ParquetWriter(folder / f"part-{first // FILE_ROWS:04d}.parquet", table.schema)
        assert writer is not None
        writer.write_table(table, row_group_size=ROW_GROUP)
    assert writer is not None
    writer.close()
    ids = hash_ids([f"row-{row:09d}" for row in nearest.rows.ravel().tolist()]).reshape(*nearest.rows.shape, 2)
    return Dataset(str(folder), QuerySet(queries), GroundTruth(ids, nearest.distances))


def run(rows: int, data: Dataset, arguments: argparse.Namespace, services: Services) -> dict[str, Any]:
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
        promises = [kept(searcher, data, target) for target in TARGETS]
    client.indices.delete(index=report.index)
    return {
        "rows": rows,
        "stages": stages,
        "work_seconds": report.work_seconds,
        "recall": report.recall,
        "effort": report.effort,
        "scored": report.scored,
        "bytes": stats["store"]["size_in_bytes"],
        "promises": promises,
    }


def kept(searcher: VectorIndex, data: Dataset, target: float) -> dict[str, Any]:
    """Measure the recall of searches that ask for `target`, on queries that the build has never seen."""
    curve = searcher.build.curve
    effort = curve.effort_for(target) if curve else None
    if effort is None:
        return {"target": target, "effort": None}
    measured = measure(searcher, data.queries, data.truth, effort)
    recall = float(measured.recall.mean())
    return {
        "target": target,
        "effort": effort,
        "recall": recall,
        "recall_low": lower_bound(measured.recall),
        "scored": float(measured.scored.mean()),
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
