"""Measures the hash health of one build, and diagnoses it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lsh_core.elastic.cluster import Cluster
from lsh_core.evaluation.hash_health import HashHealth, TokenCounts, assess
from lsh_core.evaluation.hash_warnings import hash_warnings, is_heavy
from lsh_core.evaluation.query_set import draw_rows
from lsh_core.evaluation.token_counts import count_matches, count_tokens, under_any
from lsh_core.models.effort import Effort
from lsh_core.search.searchable_build import SearchableBuild

_QUERIES = 64
_LOOKED_AT = 200
"""Sampled rows of the largest token, compared with each other."""


def measure_health(
    cluster: Cluster,
    build: SearchableBuild,
    *,
    effort: Effort | None,
    queries: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
) -> HashHealth | None:
    """Measure how evenly the rows of `build` are spread over its tokens.

    Parameters
    ----------
    effort
        Default effort; None: searches scan all rows.
    queries
        (q, d), of which some are used; default: indexed rows.

    Returns
    -------
    HashHealth or None
        None: the model has no tokens, or the index no rows.
    """
    rows = cluster.count(build.index)
    if not rows or not build.model.token_count:
        return None
    counts = count_tokens(cluster, build, rows, seed=seed)
    touched = 1.0
    if effort is not None:
        if queries is None:
            field = build.field
            queries = draw_rows(cluster, build.index, field.column, field.dims, _QUERIES, seed=seed).vectors
        touched = _touched(cluster, build, queries[:_QUERIES], effort) / rows
    health = assess(counts, touched)
    repeated = _repeated(cluster, build, counts, seed) if is_heavy(counts) else 0
    warnings = hash_warnings(build.meta.name, build.model, counts, health, scans_all=effort is None, repeated=repeated)
    return replace(health, warnings=list(warnings))


def _touched(cluster: Cluster, build: SearchableBuild, queries: npt.NDArray[np.float32], effort: Effort) -> float:
    """Return the mean number of rows that share a token with a query."""
    tokens = build.field.tokens
    asked = [under_any(build.field, tokens.words(codes)) for codes in build.model.tokens_for(queries, effort)]
    return float(np.mean(count_matches(cluster, build.index, asked)))


def _repeated(cluster: Cluster, build: SearchableBuild, counts: TokenCounts, seed: int) -> int:
    """Return an estimate, from a sample, of the rows of the largest token with the same vector."""
    largest = int(counts.sizes.argmax())
    among = under_any(build.field, [counts.words[largest]])
    field = build.field
    drawn = draw_rows(cluster, build.index, field.column, field.dims, _LOOKED_AT, seed=seed, among=among).vectors
    repeats = max(Counter(vector.tobytes() for vector in drawn).values(), default=0)
    return round(repeats / len(drawn) * int(counts.sizes[largest])) if repeats > 1 else 0
