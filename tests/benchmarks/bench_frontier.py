"""What every model finds, how fast, and what it costs to build: one table a data set, all in one run.

    python tests/benchmarks/bench_frontier.py --source examples/debian_packages.parquet --metric cosine
    python tests/benchmarks/bench_frontier.py --source base.parquet --queries queries.parquet --metric l2 --model ivf

Queries are rows that are left out of the index, unless ``--queries`` names a file of others. Each model is trained and
indexed as a user would do it, with its defaults; then it is evaluated over a sweep of its effort, and the efforts that
the build itself chose for recall .9, .95 and .99 are held against the queries, which it has never seen. One node and
two Dask workers are started for the run.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from own_servers import held_out, own_servers

from lsh_core.evaluation import frontier
from lsh_core.evaluation.ground_truth import true_neighbours
from lsh_core.evaluation.measurement import lower_bound, measure
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.jobs.evaluate import evaluate
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.metrics import metric_names
from lsh_core.models import model_names
from lsh_core.search.query_file import read_query_vectors
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import EvaluateSettings, IndexSettings, TrainSettings

K = 10
LEVELS = (0.9, 0.95, 0.99)
TARGETS = (0.9, 0.95, 0.99)
ROW_GROUP = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="Parquet file with id and embedding")
    parser.add_argument("--queries", help="FILE.npy, FILE.parquet or FILE.parquet:COLUMN; default: 500 rows left out")
    parser.add_argument("--rows", type=int, help="rows to use; default: all")
    parser.add_argument("--metric", choices=metric_names(), default="l2")
    parser.add_argument(
        "--model", action="append", help='model and its options, such as "ivf --lists 4096"; default: each at defaults'
    )
    parser.add_argument(
        "--recall-queries", type=int, help="rows that each build is verified with; default from its rows"
    )
    parser.add_argument("--searches", type=int, help="timed at each effort; default: as `airlsh evaluate` does")
    parser.add_argument("--json", type=Path, help="write the figures here as well, after each model")
    arguments = parser.parse_args()
    frontier.SEARCHES = arguments.searches or frontier.SEARCHES
    results = []
    with own_servers() as (services, folder):
        source, queries = prepare(arguments, folder)
        for model in arguments.model or model_names():
            results.append(run(model, source, queries, arguments, services))
            show(results[-1])
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=2))
    sys.stdout.write("\n".join(tables(results)) + "\n")


def prepare(arguments: argparse.Namespace, folder: Path) -> tuple[str, str]:
    """Write the rows to index, and the queries, to files of their own."""
    table = pq.read_table(arguments.source, columns=["id", "embedding"])
    if arguments.rows:
        table = table.slice(0, arguments.rows)
    rows, queries = folder / "rows.parquet", folder / "queries.npy"
    if arguments.queries:
        np.save(queries, read_query_vectors(arguments.queries))
    else:
        apart, table = held_out(table)
        np.save(queries, apart)
    pq.write_table(table, rows, row_group_size=ROW_GROUP, compression="zstd")
    return str(rows), str(queries)


def run(model: str, source: str, queries: str, arguments: argparse.Namespace, services: Services) -> dict[str, Any]:
    """Train, index and evaluate one model; delete its index; return the figures."""
    kind, *options = shlex.split(model)
    given = {option.removeprefix("--"): int(value) for option, value in zip(options[::2], options[1::2], strict=True)}
    name = f"bench-{kind}"
    trained = train(TrainSettings(name=name, source=source, metric=arguments.metric, model=kind, **given), services)
    started = time.perf_counter()
    settings = IndexSettings(name=name, source=source, recall_queries=arguments.recall_queries)
    report = run_index(settings, services)
    indexing = time.perf_counter() - started
    index = report.index
    client = services.connection.client()
    evaluated = evaluate(EvaluateSettings(name=name, queries=queries, k=K), services)
    result = {
        "model": model,
        "rows": report.documents,
        "fit_seconds": trained.seconds["fit"],
        "train_seconds": trained.seconds["total"],
        "seconds": report.seconds,
        "work_seconds": report.work_seconds,
        "total_seconds": trained.seconds["total"] + indexing,
        "bytes": client.indices.stats(index=index)["_all"]["primaries"]["store"]["size_in_bytes"],
        "promises": promises(VectorIndex(name, services.connection), queries, services),
        **evaluated.to_json(),
    }
    client.indices.delete(index=index)
    return result


def promises(searcher: VectorIndex, queries: str, services: Services) -> list[dict[str, Any]]:
    """Hold the effort that the build's own curve gives for each target against queries that it has never seen."""
    build = searcher.build
    asked = QuerySet(np.load(queries))
    rows = services.connection.client().count(index=build.index)["count"]
    truth = true_neighbours(services.cluster, build.index, build.field, asked, K, rows=rows)
    kept = []
    for target in TARGETS:
        effort = build.curve.effort_for(target) if build.curve else None
        if effort is None:
            kept.append({"target": target, "effort": None})
            continue
        recall = measure(searcher, asked, truth, effort).recall
        kept.append(
            {
                "target": target,
                "effort": effort,
                "recall": float(recall.mean()),
                "recall_low": lower_bound(recall),
                # The queries are a sample as well: a promise is broken where even the upper bound is below it.
                "recall_high": 2 * float(recall.mean()) - lower_bound(recall),
            }
        )
    return kept


def show(result: dict[str, Any]) -> None:
    sys.stderr.write(f"\n{result['model']}: {result['total_seconds']:.0f} s, {result['bytes'] / 1e6:.0f} MB\n")
    for point in result["curve"]:
        sys.stderr.write(
            f"  {point['effort']:>6} {point['recall']:.4f} {point['p50_ms']:>7.2f} ms {point['per_second']:>6.0f}/s\n"
        )
    for promise in result["promises"]:
        sys.stderr.write(f"  {promise}\n")


def tables(results: list[dict[str, Any]]) -> list[str]:
    """Return what the runs cost and find, as Markdown."""
    lines = [
        "| model | fit, s | read and hash, core-s | load, s | merge, s | these three, s | verify, s | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        work, seconds = result["work_seconds"], result["seconds"]
        building = [result["fit_seconds"], seconds["load"], seconds["finalize"]]
        lines.append(
            f"| `{result['model']}` | {building[0]:.0f} | {work['read'] + work['hash']:.0f} | {building[1]:.0f} | "
            f"{building[2]:.0f} | {sum(building):.0f} | {seconds['verify']:.0f} | {result['bytes'] / 1e6:,.0f} |"
        )
    lines += [
        "",
        f"| model | {' | '.join(f'recall@{K} {level:g}' for level in LEVELS)} |",
        "|---|" + "---|" * len(LEVELS),
    ]
    for result in results:
        lines.append(f"| `{result['model']}` | {' | '.join(_reached(result, level) for level in LEVELS)} |")
    lines += ["", f"| model | {' | '.join(f'target {each:g}' for each in TARGETS)} |", "|---|" + "---|" * len(TARGETS)]
    for result in results:
        lines.append(f"| `{result['model']}` | {' | '.join(_kept(each) for each in result['promises'])} |")
    return lines


def _reached(result: dict[str, Any], level: float) -> str:
    point = next((point for point in result["curve"] if point["recall"] >= level), None)
    if point is None:
        return "-"
    scored = "" if point["scored"] is None else f", {point['scored']:,.0f} rows"
    return f"{point['effort']:,}{scored}: {point['p50_ms']:.1f} ms, {point['per_second']:,.0f}/s"


def _kept(promise: dict[str, Any]) -> str:
    if promise["effort"] is None:
        return "scans all rows"
    return f"{promise['recall']:.3f} ({promise['recall_low']:.3f} to {min(1.0, promise['recall_high']):.3f})"


if __name__ == "__main__":
    main()
