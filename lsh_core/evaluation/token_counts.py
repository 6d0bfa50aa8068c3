"""Counts the rows of a build under each token.

The token field has no doc values, so the server cannot list its terms. It counts the documents of requested terms on
every shard, without deleted ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lsh_core.builds.mapping import META_KEY, VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.evaluation.hash_health import TokenCounts, weigh_sample
from lsh_core.evaluation.query_set import random_ids
from lsh_core.models.arrays import Int64Array
from lsh_core.retrieval.tokens import tokens_path
from lsh_core.search.searchable_build import SearchableBuild

MAX_COUNTED = 32_768
"""Maximum of possible tokens that are all counted; beyond it the tokens of sampled rows are counted."""
_SAMPLED_ENTRIES = 32_768
_MIN_SAMPLED = 200
_MAX_SAMPLED = 10_000
_FILTERS_PER_REQUEST = 1_000
_PAGE_TOKENS = 100_000


def count_tokens(cluster: Cluster, build: SearchableBuild, rows: int, *, seed: int = 0) -> TokenCounts:
    """Count the rows under each token of `build`.

    Up to 32,768 possible tokens, all are counted. Otherwise the tokens of some rows are counted over all rows, and
    weighted (`weigh_sample`), as large tokens are sampled more often.

    Parameters
    ----------
    rows
        Number of rows of the build.
    """
    per_row, possible = build.model.tokens_per_row, build.model.token_count
    if possible <= MAX_COUNTED:
        words = build.field.tokens.words(np.arange(possible))
        sizes = _sizes(cluster, build, words)
        held = np.flatnonzero(sizes)
        kept = tuple(words[place] for place in held.tolist())
        return TokenCounts(rows, per_row, possible, kept, sizes[held], np.ones(len(held)))
    sampled = min(_MAX_SAMPLED, max(_MIN_SAMPLED, _SAMPLED_ENTRIES // per_row))
    ids = random_ids(cluster, build.index, sampled, seed)
    met = Counter(word for tokens in _stored_tokens(cluster, build, ids, per_row) for word in tokens)
    words = sorted(met)
    sizes = _sizes(cluster, build, words)
    held = np.flatnonzero(sizes)  # Rows of a live build may be gone by now.
    kept = tuple(words[place] for place in held.tolist())
    drawn = np.array([met[word] for word in kept], dtype=np.int64)
    weights = weigh_sample(drawn, sizes[held], rows * per_row)
    return TokenCounts(rows, per_row, possible, kept, sizes[held], weights, len(ids))


def count_matches(cluster: Cluster, index: str, filters: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the number of documents that match each of `filters`."""
    found: list[int] = []
    for page in pages(filters, _FILTERS_PER_REQUEST):
        aggs = {"each": {"filters": {"filters": list(page)}}}
        answer = cluster.search(index, size=0, track_total_hits=False, aggs=aggs)
        found += [bucket["doc_count"] for bucket in answer["aggregations"]["each"]["buckets"]]
    return found


def under_any(field: VectorField, words: Sequence[str]) -> dict[str, Any]:
    """Return the filter for rows with one of the tokens."""
    return {"terms": {tokens_path(field.column): list(words)}}


def _sizes(cluster: Cluster, build: SearchableBuild, words: Sequence[str]) -> Int64Array:
    path = tokens_path(build.field.column)
    return np.array(count_matches(cluster, build.index, [{"term": {path: word}} for word in words]), dtype=np.int64)


def _stored_tokens(
    cluster: Cluster, build: SearchableBuild, ids: Sequence[str], per_row: int
) -> Iterator[Sequence[str]]:
    for page in pages(ids, max(1, _PAGE_TOKENS // per_row)):
        query = {"ids": {"values": list(page)}}
        source = [tokens_path(build.field.column)]
        hits = cluster.search(build.index, query=query, size=len(page), source=source, track_total_hits=False)
        for hit in hits["hits"]["hits"]:
            yield hit["_source"][META_KEY]["tokens"][build.field.column]
