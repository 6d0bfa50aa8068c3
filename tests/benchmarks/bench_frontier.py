"""Searches a second of every model at the same recall, and what each costs to build: all in one run.

    python tests/benchmarks/bench_frontier.py --source examples/debian_packages.parquet --metric cosine
    python tests/benchmarks/bench_frontier.py --source base.parquet --queries queries.npy --model ivf --model hnsw
    python tests/benchmarks/bench_frontier.py --made 200000x768 --metric cosine --model ivf --model hnsw

One node and two Dask workers are started for the run. Each model is trained and indexed as a user would do it, with its
defaults, and all indices stay until the end. The queries are not in the index: 2,000 rows that are left out, unless
``--queries`` names a file of others.

For each recall the smallest effort that reaches it is found on these queries. The efforts that each build itself chose
for recall .9, .95 and .99 are held against the same queries, which it has never seen. Then the server alone is
measured: the client (`light_client.py`) sends ready-made bytes, some 10 microseconds a search. The indices take turns,
three times, and the medians count.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import datasets
import light_client
import numpy as np
import pyarrow.parquet as pq
from own_servers import held_out, own_servers, vectors_of
from promises import TARGETS, promises

from lsh_core.evaluation.measurement import measure
from lsh_core.evaluation.rising_recall import RisingRecall
from lsh_core.jobs.index import index as run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.metrics import metric_names
from lsh_core.models import model_names
from lsh_core.search.query_file import read_query_vectors
from lsh_core.search.recall_curve import CurvePoint
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import IndexSettings, TrainSettings

K = datasets.K
LEVELS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
COMPARED = TARGETS
"""Recalls that are shown in the tables, and that the builds promise."""
STEP = 1.6
HELD_OUT = 2_000
REPEATS, CONNECTIONS = 3, (1, 8)


@dataclass(frozen=True)
class Level:
    """Smallest effort that reaches a recall, and the speed of the server with it, by connections."""

    recall: float
    point: CurvePoint
    speeds: dict[int, list[light_client.Figures]] = field(default_factory=dict)

    def median(self, connections: int, name: str) -> float:
        """Return the median over the repeats of one figure."""
        return statistics.median(getattr(figures, name) for figures in self.speeds[connections])


@dataclass(frozen=True)
class Contender:
    """Finished index of one model."""

    model: str
    costs: dict[str, float]
    searcher: VectorIndex
    levels: tuple[Level, ...]
    promises: tuple[dict[str, Any], ...]

    def level(self, recall: float) -> Level | None:
        """Return the level of a recall, or None if no effort reached it."""
        return next((each for each in self.levels if each.recall == recall), None)

    def to_json(self) -> dict[str, Any]:
        """Return all figures."""
        levels = [
            {
                **asdict(level),
                "per_second": {number: level.median(number, "per_second") for number in level.speeds},
                "p50_ms": {number: level.median(number, "p50_ms") for number in level.speeds},
            }
            for level in self.levels
        ]
        return {"model": self.model, "costs": self.costs, "levels": levels, "promises": self.promises}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument("--source", help="Parquet file with embedding")
    rows.add_argument("--made", help="ROWSxDIMS: made rows, 30 inner dimensions")
    parser.add_argument("--queries", help="FILE.npy, FILE.parquet or FILE.parquet:COLUMN; default: 2,000 rows left out")
    parser.add_argument("--rows", type=int, help="rows of the source to use; default: all")
    parser.add_argument("--metric", choices=metric_names(), default="l2")
    parser.add_argument(
        "--model", action="append", help='model and its options, such as "ivf --lists 4096"; default: each at defaults'
    )
    parser.add_argument("--measured", type=int, help="queries that recall is measured with; default: all")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each timing")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    with own_servers() as (services, folder):
        data = dataset(arguments, folder / "source")
        contenders = [build(model, data, arguments, services) for model in arguments.model or model_names()]
        time_all(contenders, data, services, arguments.seconds)
    if arguments.json:
        found = {
            "rows": data.rows,
            "queries": len(data.queries),
            "k": K,
            "models": [each.to_json() for each in contenders],
        }
        arguments.json.write_text(json.dumps(found, indent=2))
    sys.stdout.write("\n".join(tables(contenders)) + "\n")


def dataset(arguments: argparse.Namespace, folder: Path) -> datasets.Dataset:
    """Write the rows, and find the true neighbours of the queries."""
    if arguments.made:
        rows, dims = (int(number) for number in arguments.made.split("x"))
        made = datasets.MadeRows(dims, inner=30, clusters=2_000, spread=0.6)
        return datasets.write(made.parts(rows), made.queries(HELD_OUT), arguments.metric, folder)
    if arguments.queries:
        parts = datasets.read_parts(arguments.source, arguments.rows)
        return datasets.write(parts, read_query_vectors(arguments.queries), arguments.metric, folder)
    table = pq.read_table(arguments.source, columns=["embedding"]).slice(0, arguments.rows)
    apart, rest = held_out(table, HELD_OUT)
    vectors = vectors_of(rest)
    parts = (vectors[start : start + datasets.BLOCK] for start in range(0, len(vectors), datasets.BLOCK))
    return datasets.write(parts, apart, arguments.metric, folder)


def build(model: str, data: datasets.Dataset, arguments: argparse.Namespace, services: Services) -> Contender:
    """Train and index one model, find its efforts, and hold its promises against the queries."""
    kind, *options = shlex.split(model)
    given = {option.removeprefix("--"): float(value) for option, value in zip(options[::2], options[1::2], strict=True)}
    name = f"bench-{model.replace(' --', '-').replace(' ', '-')}"
    started = time.perf_counter()
    training = TrainSettings(name=name, source=data.source, metric=arguments.metric, model=kind, **given)
    trained = train(training, services)
    report = run_index(IndexSettings(name=name, source=data.source), services)
    live = time.perf_counter() - started
    if report.documents != data.rows:
        raise SystemExit(f"{report.index} has {report.documents} rows, not {data.rows}")
    stats = services.connection.client().indices.stats(index=report.index)["_all"]["primaries"]
    costs = {
        "fit": trained.seconds["fit"],
        "load": report.seconds["load"],
        "finalize": report.seconds["finalize"],
        "verify": report.seconds["verify"],
        "merged": live - report.seconds["verify"] - report.seconds["promote"],
        "live": live,
        "read_and_hash_cpu": report.work_seconds["read"] + report.work_seconds["hash"],
        "megabytes": stats["store"]["size_in_bytes"] / 1e6,
    }
    sys.stderr.write(f"\n{model}: " + ", ".join(f"{what} {figure:.1f}" for what, figure in costs.items()) + "\n")
    searcher = VectorIndex(name, services.connection)
    asked = np.arange(min(len(data.queries), arguments.measured or len(data.queries)))
    measured = datasets.Dataset(data.source, data.rows, data.queries.take(asked), data.truth.take(asked))
    levels, kept = tuple(levels_of(searcher, measured)), tuple(promises(searcher, measured))
    for level in levels:
        sys.stderr.write(f"  {level.recall}: {level.point}\n")
    for promise in kept:
        sys.stderr.write(f"  {promise}\n")
    return Contender(model, costs, searcher, levels, kept)


def levels_of(searcher: VectorIndex, data: datasets.Dataset) -> Iterator[Level]:
    """Yield the smallest effort for each recall, as far as an effort reaches it."""
    strategy, rising = searcher.build.field.strategy, RisingRecall(searcher, data.queries, data.truth)
    least, most = strategy.effort_range(K, data.rows)
    known: dict[float, CurvePoint] = {}

    def at(effort: float) -> CurvePoint:
        if effort not in known:
            known[effort] = rising.at(effort)
        return known[effort]

    for recall in LEVELS:
        below = max((effort for effort, point in known.items() if point.recall < recall), default=None)
        above = None
        for effort in strategy.effort_scale.rising(least if below is None else below, most, step=STEP):
            if at(effort).recall >= recall:
                above = effort
                break
            below = effort
        if above is None:
            return
        while below is not None and (middle := strategy.effort_scale.between(below, above)) is not None:
            below, above = (below, middle) if at(middle).recall >= recall else (middle, above)
        yield Level(recall, measure(searcher, data.queries, data.truth, above).point(above))


def time_all(contenders: list[Contender], data: datasets.Dataset, services: Services, seconds: float) -> None:
    """Time the server with each index at each recall; the indices take turns."""
    urls = services.connection.urls
    for _ in range(REPEATS):
        for recall in LEVELS:
            for contender in contenders:
                level = contender.level(recall)
                if level is None:
                    continue
                build = contender.searcher.build
                effort = build.field.strategy.effort(level.point.effort)
                bodies = light_client.search_bodies(build, data.queries.vectors, k=K, effort=effort)
                for connections in CONNECTIONS if recall in COMPARED else CONNECTIONS[-1:]:
                    figures = light_client.measure(urls, build.index, bodies, connections, seconds)
                    level.speeds.setdefault(connections, []).append(figures)
                    sys.stderr.write(f"{contender.model} {recall} {figures}\n")


def tables(contenders: list[Contender]) -> list[str]:
    """Return costs, speeds and promises, as Markdown."""
    return [*_costs(contenders), "", *_speeds(contenders), "", *_promises(contenders)]


def _costs(contenders: list[Contender]) -> list[str]:
    lines = [
        "| model | fit, s | load, s | merge, s | verify, s | train to merged, s | train to live, s | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in contenders:
        names = ("fit", "load", "finalize", "verify", "merged", "live", "megabytes")
        lines.append(f"| `{each.model}` | {' | '.join(f'{each.costs[name]:,.0f}' for name in names)} |")
    return lines


def _speeds(contenders: list[Contender]) -> list[str]:
    heads = [f"recall@{K} {recall:g}" for recall in COMPARED]
    lines = [f"| model | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    lines += [
        f"| `{each.model}` | {' | '.join(_speed(each.level(recall)) for recall in COMPARED)} |" for each in contenders
    ]
    graph = next((each for each in contenders if each.model == "hnsw"), None)
    for each in contenders:
        if graph is not None and each is not graph:
            ratios = (_ratio(each.level(recall), graph.level(recall)) for recall in COMPARED)
            lines.append(f"| `{each.model}` : `hnsw`, 1 and 8 connections | {' | '.join(ratios)} |")
    return lines


def _speed(level: Level | None) -> str:
    if level is None:
        return "-"
    scored = "" if level.point.scored is None else f", {level.point.scored:,.0f} rows"
    rates = ", ".join(f"{level.median(number, 'per_second'):,.0f}/s" for number in CONNECTIONS)
    return f"{level.point.effort:,}{scored}: {level.median(1, 'p50_ms'):.2f} ms, {rates}"


def _ratio(one: Level | None, other: Level | None) -> str:
    if one is None or other is None:
        return "-"
    ratios = (one.median(number, "per_second") / other.median(number, "per_second") for number in CONNECTIONS)
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def _promises(contenders: list[Contender]) -> list[str]:
    lines = [f"| model | {' | '.join(f'target {each:g}' for each in COMPARED)} |", "|---|" + "---|" * len(COMPARED)]
    lines += [f"| `{each.model}` | {' | '.join(map(_kept, each.promises))} |" for each in contenders]
    return lines


def _kept(promise: dict[str, Any]) -> str:
    if promise["effort"] is None:
        return "scans all rows"
    return f"{promise['recall']:.3f} ({promise['recall_low']:.3f} to {min(1.0, promise['recall_high']):.3f})"


if __name__ == "__main__":
    main()
