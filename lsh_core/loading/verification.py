"""Verifies that an index holds the rows that its loaders recorded.

Counts are compared chunk by chunk, and vectors by samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lsh_core.builds.id_hashes import IdHashes, hash_ids
from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.paging import pages
from lsh_core.elastic.stored_vectors import asked_for, vectors_of
from lsh_core.errors import VerificationError
from lsh_core.loading.expected_contents import ChunkContents, ExpectedContents
from lsh_core.loading.ledger import RowSample, unpacked_vector
from lsh_core.metrics import metric_named

_CHUNKS_PER_PAGE = 5000
_SAMPLES_PER_PAGE = 100
_MAX_LISTED = 5


def verify_contents(
    cluster: Cluster, index: str, expected: ExpectedContents, field: VectorField, *, live: int = 0
) -> int:
    """Compare the contents of `index` with the expected contents.

    The comparison covers the documents of the source, the documents with a vector, and for each chunk the number of
    documents and the sum of their row numbers. The sum also reveals one row in place of another. Documents that were
    written live belong to no chunk: they must have a vector, and there are at most `live` of them.

    Parameters
    ----------
    live
        Number of ids that were changed live in this index.

    Returns
    -------
    int
        Total number of documents.

    Raises
    ------
    VerificationError
        Rows are missing or surplus; the message names the chunks.
    PartialAnswerError
        A shard did not answer.
    """
    found, of_source = cluster.count(index), cluster.count(index, {"exists": {"field": "airlsh.chunk"}})
    if of_source != expected.documents:
        raise VerificationError(index, "documents", expected.documents, of_source)
    if found - of_source > live:
        raise VerificationError(index, "documents of no chunk", f"at most {live}", found - of_source)
    for path in field.vector_paths:
        with_vector = cluster.count(index, {"exists": {"field": path}})
        if with_vector != found:
            raise VerificationError(index, f"documents with a vector in {path!r}", found, with_vector)
    chunks = dict(_contents(cluster, index))
    wrong = sorted(
        chunk for chunk in expected.chunks.keys() | chunks.keys() if expected.chunks.get(chunk) != chunks.get(chunk)
    )
    if wrong:
        shown = wrong[:_MAX_LISTED]
        raise VerificationError(
            index,
            f"{len(wrong)} chunks (documents and sum of row numbers of chunks {', '.join(map(str, shown))})",
            [expected.chunks.get(chunk) for chunk in shown],
            [chunks.get(chunk) for chunk in shown],
        )
    return found


def verify_samples(
    cluster: Cluster,
    index: str,
    samples: Sequence[RowSample],
    field: VectorField,
    replaced: IdHashes | None = None,
) -> int:
    """Read sampled vectors back and compare them with the vectors sent.

    Each number must be equal, within the error that the metric allows for the server's storage format.

    Parameters
    ----------
    samples
        Samples in the form of ledger entries.
    replaced
        Ids that belong to live changes. Their documents may have been replaced or deleted.

    Returns
    -------
    int
        Number of compared vectors. Rows that lost to a later row with the same id are skipped.
    """
    if replaced:
        owned = replaced.contains(hash_ids([sample["id"] for sample in samples]))
        samples = [sample for sample, changed in zip(samples, owned.tolist(), strict=True) if not changed]
    compared = 0
    for page in pages(samples, _SAMPLES_PER_PAGE):
        found = {
            hit["_id"]: hit
            for hit in cluster.search(
                index,
                query={"ids": {"values": [sample["id"] for sample in page]}},
                size=len(page),
                source=False,
                docvalue_fields=[*asked_for(field.column), "airlsh.row"],
            )["hits"]["hits"]
        }
        for sample in page:
            if (hit := found.get(sample["id"])) is None:
                raise VerificationError(index, f"document {sample['id']!r}", "present", "missing")
            if hit["fields"].get("airlsh.row") != [sample["row_number"]]:
                continue
            sent, held = unpacked_vector(sample["vector"]), vectors_of([hit], field.column, field.dims)[0]
            allowed = metric_named(field.metric).stored_error(sent)
            if sent.shape != held.shape or np.abs(sent - held).max() > allowed:
                raise VerificationError(index, f"vector of document {sample['id']!r}", "as it was sent", "another")
            compared += 1
    return compared


def _contents(cluster: Cluster, index: str) -> Iterator[tuple[int, ChunkContents]]:
    """Yield the contents of the index by chunk."""
    after: Mapping[str, Any] | None = None
    while True:
        composite: dict[str, Any] = {
            "size": _CHUNKS_PER_PAGE,
            "sources": [{"chunk": {"terms": {"field": "airlsh.chunk"}}}],
        }
        if after is not None:
            composite["after"] = after
        answer = cluster.search(
            index,
            size=0,
            track_total_hits=False,
            aggs={"chunks": {"composite": composite, "aggs": {"row_numbers": {"sum": {"field": "airlsh.row"}}}}},
        )["aggregations"]["chunks"]
        for bucket in answer["buckets"]:
            yield bucket["key"]["chunk"], ChunkContents(bucket["doc_count"], round(bucket["row_numbers"]["value"]))
        after = answer.get("after_key")
        if after is None:
            return
