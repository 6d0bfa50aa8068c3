"""How long models take to fit and to encode, and what recall they reach.

    python tests/benchmarks/bench_models.py --rows 1000000 --dims 128 --model ivf --lists 16384
    python tests/benchmarks/bench_models.py --source base.parquet --vector embedding --metric l2

    python tests/benchmarks/bench_models.py --model ivf --hash-backend numpy --hash-backend tensorflow

Queries are rows that are left out. Recall counts a neighbour as found when one of its tokens is probed (``ivf``) or
when it is among the `candidates` rows with most tokens in common (``hyperplane``, ``subspace``): what an index that
reranks exactly would answer.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np

from lsh_core.backends import BACKENDS
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.metrics import metric_names
from lsh_core.models import LSHModel, default_sample, load_model, make_model, model_names
from lsh_core.models.effort import Effort

TOKEN_MODELS = [kind for kind in model_names() if kind != "hnsw"]  # A graph is the server's: nothing to measure here.


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="Parquet file; without it clustered vectors are made")
    parser.add_argument("--vector", default="embedding", help="column of the file")
    parser.add_argument("--rows", type=int, help="rows to use; default 100,000, or all of the file")
    parser.add_argument("--dims", type=int, default=128, help="dimensions of vectors that are made")
    parser.add_argument("--metric", choices=metric_names(), default="l2")
    parser.add_argument("--model", choices=TOKEN_MODELS, default=None, help="default: all")
    parser.add_argument("--lists", type=int)
    parser.add_argument("--spill", type=int)
    parser.add_argument("--soar", type=float)
    parser.add_argument("--tables", type=int)
    parser.add_argument("--bits", type=int)
    parser.add_argument("--multiprobe", type=int)
    parser.add_argument("--parts", type=int)
    parser.add_argument("--clusters", type=int)
    parser.add_argument(
        "--hash-backend",
        choices=list(BACKENDS),
        action="append",
        help="what encodes; several are compared with the first that is given, which recall is measured for",
    )
    parser.add_argument("--near", type=int, default=16)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--chunk", type=int, default=50_000, help="rows of one call of encode")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read(source: str, column: str) -> np.ndarray:
    import pyarrow.parquet as pq

    vectors = pq.read_table(source, columns=[column])[column].combine_chunks()
    return vectors.flatten().to_numpy().reshape(len(vectors), -1).astype(np.float32)


def made(rows: int, dims: int, generator: np.random.Generator) -> np.ndarray:
    """Clusters of very different sizes on planes of 16 dimensions, with noise around them."""
    clusters = max(16, int(rows**0.5 / 2))
    centres = generator.standard_normal((clusters, 16), dtype=np.float32)
    labels = (generator.random(rows) ** 2 * clusters).astype(np.int64)
    inner = centres[labels] + generator.standard_normal((rows, 16), dtype=np.float32) * np.float32(0.5)
    vectors = inner @ generator.standard_normal((16, dims), dtype=np.float32)
    vectors += generator.standard_normal((rows, dims), dtype=np.float32) * np.float32(0.5)
    return vectors


@contextmanager
def clocked(figures: dict[str, float], name: str) -> Iterator[None]:
    wall, core = time.perf_counter(), time.process_time()
    yield
    figures[f"{name} s"] = time.perf_counter() - wall
    figures[f"{name} core-s"] = time.process_time() - core


def encode(
    model: LSHModel, rows: np.ndarray, options: argparse.Namespace, figures: dict[str, float], name: str
) -> np.ndarray:
    """The tokens of all rows, once what is made at first use (constants, traced functions) is there."""
    model.encode(rows[:64], near=options.near)
    with clocked(figures, name):
        starts = range(0, len(rows), options.chunk)
        chunks = [model.encode(rows[start : start + options.chunk], near=options.near).tokens for start in starts]
    return np.concatenate(chunks)


def recall(tokens: np.ndarray, probes: Sequence[np.ndarray], neighbours: np.ndarray, candidates: int | None) -> float:
    found = []
    for probe, wanted in zip(probes, neighbours, strict=True):
        if candidates is None:
            found.append(np.isin(tokens[wanted], probe).any(axis=1).mean())
        else:
            # A query may ask for several tokens of each table.
            shared = sum((tokens == asked).sum(axis=1, dtype=np.int32) for asked in probe.reshape(-1, tokens.shape[1]))
            best = (-shared).argsort(kind="stable")[:candidates]
            found.append(np.isin(wanted, best[shared[best] > 0]).mean())
    return float(np.mean(found))


def measure(model: LSHModel, rows: np.ndarray, queries: np.ndarray, options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    size = options.sample or default_sample(model.name, *rows.shape)
    sample = rows[np.sort(np.random.default_rng(options.seed).choice(len(rows), min(size, len(rows)), replace=False))]
    figures["sample rows"] = len(sample)
    with clocked(figures, "fit"):
        model.fit(sample, rows=len(rows))
    tokens = encode(model, rows, options, figures, "encode")
    figures["rows/s a core"] = len(rows) / figures["encode core-s"]
    for backend in (options.hash_backend or [])[1:] if len(model.backends()) > 1 else []:
        document, arrays = model.state()
        same = load_model(model.name, {**document, "backend": backend}, arrays)
        others = encode(same, rows, options, figures, backend)
        figures[f"{backend} rows/s"] = len(rows) / figures[f"{backend} s"]
        figures[f"{backend} rows/s a core"] = len(rows) / figures[f"{backend} core-s"]
        figures[f"{backend} other tokens of a million"] = float(np.mean(others != tokens)) * 1e6
    effort = Effort(model.effort_name, model.default_effort(len(rows)))
    model.tokens_for(queries[:1], effort)
    waits = []
    for place in range(len(queries)):
        started = time.perf_counter()
        model.tokens_for(queries[place : place + 1], effort)
        waits.append(time.perf_counter() - started)
    figures["probe ms p50"] = float(np.median(waits)) * 1000
    figures[model.effort_name] = effort.value
    neighbours, _ = exact_neighbours(rows, queries, 10, model.metric)
    candidates = None if model.retrieval == "lists" else effort.whole
    figures["recall@10"] = recall(tokens, model.tokens_for(queries, effort), neighbours, candidates)
    return figures


def main() -> None:
    options = parse()
    generator = np.random.default_rng(options.seed)
    vectors = read(options.source, options.vector) if options.source else None
    if vectors is None:
        vectors = made((options.rows or 100_000) + options.queries, options.dims, generator)
    order = generator.permutation(len(vectors))
    queries = vectors[order[: options.queries]]
    kept = np.sort(order[options.queries :][: options.rows])
    vectors = vectors[kept]
    print(f"{len(vectors):,} rows of {vectors.shape[1]} dimensions, {options.metric}, chunks of {options.chunk:,}")
    for kind in [options.model] if options.model else TOKEN_MODELS:
        knobs = {name: getattr(options, name) for name in make_model(kind).get_params()}
        if "hash_backend" in knobs:
            knobs["hash_backend"] = options.hash_backend[0] if options.hash_backend else None
        model = make_model(kind, **knobs)
        print(f"\n{model!r}: ", end="", flush=True)
        figures = measure(model, vectors, queries, options)
        numbers, _ = model.state()
        print(", ".join(f"{name} {value}" for name, value in numbers["learned"].items()))
        for name, value in figures.items():
            print(f"  {name:<36} {value:>12,.3f}" if value < 100 else f"  {name:<36} {value:>12,.0f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory {peak:,.0f} MiB, all vectors included")


if __name__ == "__main__":
    main()
