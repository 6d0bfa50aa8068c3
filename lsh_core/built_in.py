"""Built-in models and metrics: names, summaries and knobs, which forms and options read without NumPy.

A built-in class takes its summary and knobs from here. A class of another package declares its own, and is imported to
be listed.
"""

from __future__ import annotations

from typing import Final

from lsh_core.knobs import Knob
from lsh_core.registry import Declaration, Registry

SPILL = 3
SOAR = 1.5
TABLES = 100
MULTIPROBE = 4
MAX_PARTS = 512
CLUSTERS = 8
NEIGHBOURS = 16
EF_CONSTRUCTION = 100

HASH_BACKEND: Final = Knob(
    "hash_backend",
    "library that computes the tokens of rows, wherever they are indexed or upserted with this model",
    type=str,
    choices={
        "numpy": "runs on any worker",
        "tensorflow": "runs on workers that have it, on their GPU if there is one",
        "auto": "tensorflow if the worker that trains has it and a GPU",
    },
    default="numpy",
)
"""Knob of the models that can encode with TensorFlow."""

IVF: Final = Declaration(
    "ivf",
    "lsh_core.models.ivf:IVF",
    summary="lists around k-means centres",
    knobs=(
        Knob("lists", "number of inverted lists", minimum=1, maximum=2**20, default="from rows"),
        Knob("spill", "lists that each row is put into", minimum=1, maximum=16, default=f"{SPILL}"),
        Knob(
            "soar",
            "weight of SOAR in the choice of a row's further lists; 0 takes the nearest",
            type=float,
            minimum=0,
            maximum=100,
            default=f"{SOAR}",
        ),
        HASH_BACKEND,
    ),
)
HYPERPLANE: Final = Declaration(
    "hyperplane",
    "lsh_core.models.hyperplane:Hyperplane",
    summary="hash tables of random hyperplanes",
    knobs=(
        Knob("tables", "hash tables", minimum=1, maximum=512, default=f"{TABLES}"),
        Knob("bits", "bits per table", minimum=1, maximum=32, default="from rows"),
        Knob(
            "multiprobe",
            "buckets of each table that a query looks into beside its own",
            minimum=0,
            maximum=64,
            default=f"{MULTIPROBE}",
        ),
        HASH_BACKEND,
    ),
)
SUBSPACE: Final = Declaration(
    "subspace",
    "lsh_core.models.subspace:Subspace",
    summary="words of a product quantiser",
    knobs=(
        Knob("parts", "parts of the dimensions", minimum=1, maximum=MAX_PARTS, default="from dimensions"),
        Knob("clusters", "clusters of each part", minimum=2, maximum=4096, default=f"{CLUSTERS}"),
    ),
)
HNSW: Final = Declaration(
    "hnsw",
    "lsh_core.models.hnsw:HNSW",
    summary="the server's own graph",
    knobs=(
        Knob("m", "neighbours of a row in the server's graph", minimum=2, maximum=512, default=f"{NEIGHBOURS}"),
        Knob(
            "ef_construction",
            "rows that are looked at for the neighbours of a new one",
            minimum=2,
            maximum=3200,
            default=f"{EF_CONSTRUCTION}",
        ),
    ),
)
MODELS: Final = Registry("airlsh.models", "model", (IVF, HYPERPLANE, SUBSPACE, HNSW))

L2: Final = Declaration("l2", "lsh_core.metrics.l2:L2", summary="Euclidean distance")
COSINE: Final = Declaration("cosine", "lsh_core.metrics.cosine:Cosine", summary="angle between vectors")
DOT: Final = Declaration("dot", "lsh_core.metrics.dot:Dot", summary="largest inner product")
METRICS: Final = Registry("airlsh.metrics", "metric", (L2, COSINE, DOT))
