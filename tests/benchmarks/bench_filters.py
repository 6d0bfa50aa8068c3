"""Recall under filters, against the exact filtered answer, on queries that the build has not seen.

    python tests/benchmarks/bench_filters.py --source examples/debian_packages.parquet --metric cosine --column section

Filters pass 50, 10, 1 and 0.1 % of the rows: at random; along the clusters of the vectors, so that many queries lie far
from all rows that pass; in a ball around one row; and by the commonest values of a column. One node and two Dask
workers are started for the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from own_servers import held_out, own_servers, vectors_of

from lsh_core.evaluation.measurement import lower_bound
from lsh_core.evaluation.recall import recall_at_k
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.index import run_index
from lsh_core.jobs.train import train
from lsh_core.metrics import metric_named, metric_names
from lsh_core.models import model_names
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings

K = 10
SHARES = (0.5, 0.1, 0.01, 0.001)
CLUSTERS = 200
VALUES = 4

Passing = npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="Parquet file with id and embedding")
    parser.add_argument("--column", help="column whose commonest values are filters too")
    parser.add_argument("--rows", type=int, help="rows to use; default: all")
    parser.add_argument("--metric", choices=metric_names(), default="l2")
    parser.add_argument("--model", choices=model_names(), action="append", help="default: all")
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--shards", type=int, default=1)
    arguments = parser.parse_args()
    table = pq.read_table(arguments.source, columns=["id", "embedding", *filter(None, [arguments.column])])
    table = table.slice(0, arguments.rows)
    queries, table = held_out(table)
    rows = vectors_of(table)
    filters = dict(made_filters(rows, arguments.metric))
    for name, passing in filters.items():
        table = table.append_column(name, pa.array(passing))
    asked: dict[str, tuple[Passing, dict[str, Any] | None]] = {"none": (np.ones(len(rows), bool), None)}
    asked |= {name: (passing, {"term": {name: True}}) for name, passing in filters.items()}
    if arguments.column:
        for value in commonest(table[arguments.column]):
            same = pc.equal(table[arguments.column], value).fill_null(False).to_numpy()
            asked[f"{arguments.column}={value}"] = (same, {"term": {arguments.column: value}})
    with own_servers() as (services, folder):
        source = str(folder / "rows.parquet")
        pq.write_table(table, source)
        sys.stdout.write("| model | filter | rows that pass | recall@10 | at least | path | scored | ms a query |\n")
        sys.stdout.write("|---|---|---|---|---|---|---|---|\n")
        for model in arguments.model or model_names():
            train(TrainSettings(name=model, source=source, metric=arguments.metric, model=model), services)
            settings = IndexSettings(name=model, source=source, shards=arguments.shards, recall_target=arguments.target)
            run_index(settings, services)
            searcher = VectorIndex(model, services.connection)
            for name, (passing, query_filter) in asked.items():
                measured = under(searcher, queries, rows, table["id"].to_pylist(), passing, query_filter)
                sys.stdout.write(f"| `{model}` | {name} | {passing.sum():,} | {measured} |\n")
                sys.stdout.flush()


def made_filters(rows: npt.NDArray[np.float32], metric: str) -> Iterator[tuple[str, Passing]]:
    generator = np.random.default_rng(1)
    centres = rows[generator.choice(len(rows), CLUSTERS, replace=False)]
    cluster = exact_neighbours(centres, rows, 1, metric)[0][:, 0]
    order = np.empty(CLUSTERS, int)
    order[generator.permutation(CLUSTERS)] = np.arange(CLUSTERS)
    by_cluster = np.argsort(order[cluster], kind="stable")
    around = np.linalg.norm(rows - rows[generator.integers(len(rows))], axis=1)
    for share in SHARES:
        count, percent = max(1, round(share * len(rows))), f"{share:%}".rstrip("0%").rstrip(".").replace(".", "_")
        yield f"random_{percent}", np.isin(np.arange(len(rows)), generator.choice(len(rows), count, replace=False))
        yield f"clusters_{percent}", np.isin(np.arange(len(rows)), by_cluster[:count])
        yield f"ball_{percent}", around <= np.partition(around, count - 1)[count - 1]


def commonest(column: pa.ChunkedArray) -> list[str]:
    counts = sorted(column.value_counts().to_pylist(), key=lambda each: -each["counts"])
    return [each["values"] for each in counts if each["values"] is not None][:VALUES]


def under(
    searcher: VectorIndex,
    queries: npt.NDArray[np.float32],
    rows: npt.NDArray[np.float32],
    ids: list[str],
    passing: Passing,
    query_filter: dict[str, Any] | None,
) -> str:
    """Ask for all queries under a filter; return recall, its bound, the ways taken, rows scored, and the time."""
    metric = searcher.build.field.metric
    kept = np.flatnonzero(passing)
    wanted = min(K, len(kept))
    exact, distances = exact_neighbours(rows[kept], queries, wanted, metric)
    started = time.perf_counter()
    answers = list(searcher.search_many(queries, k=K, filter=query_filter, fields=()))
    milliseconds = 1000 * (time.perf_counter() - started) / len(queries)
    shares = recall_at_k(
        [answer.ids for answer in answers],
        [[ids[row] for row in kept[near].tolist()] for near in exact],
        found_distances=[[neighbour.distance for neighbour in answer.neighbours] for answer in answers],
        exact_distances=metric_named(metric).score_ties(distances),
        tolerance=0,
    )
    scored = [answer.rows_scored for answer in answers if answer.rows_scored is not None]
    paths = ", ".join(sorted({answer.strategy for answer in answers}))
    looked = f"{np.mean(scored):,.0f}" if scored else "-"
    return f"{shares.mean():.3f} | {lower_bound(shares):.3f} | {paths} | {looked} | {milliseconds:.1f}"


if __name__ == "__main__":
    main()
