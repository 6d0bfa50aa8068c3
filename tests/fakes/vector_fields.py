"""Vector columns of each retrieval strategy, for tests."""

from __future__ import annotations

from typing import Any

from lsh_core.builds.mapping import VectorField

_TOKENS = {"token_prefix": "Abcd", "token_width": 3}
_LISTS = {**_TOKENS, "lists": 100, "lookup_lists": 2}
_TABLES = {**_TOKENS, "tokens_are_probes": False}
_GRAPH = {"m": 16, "ef_construction": 100}


def list_field(**changes: Any) -> VectorField:
    """Return a column that is searched by lists, but for `changes` of it or of the strategy's parameters."""
    return _field("ivf", "lists", _LISTS, changes)


def graph_field(**changes: Any) -> VectorField:
    """Return a column that is searched by the server's own graph."""
    return _field("hnsw", "graph", _GRAPH, changes)


def table_field(**changes: Any) -> VectorField:
    """Return a column that is searched by tables."""
    return _field("hyperplane", "tables", _TABLES, changes)


def _field(kind: str, retrieval: str, parameters: dict[str, Any], changes: dict[str, Any]) -> VectorField:
    values: dict[str, Any] = {
        "column": "v",
        "dims": 3,
        "metric": "l2",
        "similarity": "l2_norm",
        "model_id": "docs-1",
        "fingerprint": "ab" * 32,
        "model": kind,
        "effort": 8,
        "retrieval": retrieval,
    }
    own = {name: changes.pop(name) if name in changes else value for name, value in parameters.items()}
    return VectorField(**{**values, **changes}, retrieval_parameters=own)
