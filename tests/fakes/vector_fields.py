"""The vector column that tests of one part need from another."""

from __future__ import annotations

from typing import Any

from lsh_core.builds.mapping import VectorField


def list_field(**changes: Any) -> VectorField:
    """Return a column of a model with lists, but for `changes`."""
    values: dict[str, Any] = {
        "column": "v",
        "dims": 3,
        "metric": "l2",
        "similarity": "l2_norm",
        "model_id": "docs-1",
        "fingerprint": "ab" * 32,
        "model": "ivf",
        "token_prefix": "Abcd",
        "token_width": 3,
        "has_lists": True,
        "near": 2,
        "effort": 8,
    }
    return VectorField(**{**values, **changes})


def graph_field(**changes: Any) -> VectorField:
    """Return a column that is searched by the server's own graph."""
    graph = {"m": 16, "ef_construction": 100}
    return list_field(**{"model": "hnsw", "has_lists": False, "near": 0, "graph": graph, **changes})


def table_field(**changes: Any) -> VectorField:
    """Return a column of a model of tables, without lists."""
    return list_field(**{"model": "hyperplane", "has_lists": False, "near": 0, **changes})
