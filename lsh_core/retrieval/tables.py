"""Retrieval by tables (``hyperplane``, ``subspace``): rows are ranked by the tokens that they share with the query.

The server scores the first `candidates` rows of this ranking exactly, in the same request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lsh_core.metrics import metric_named
from lsh_core.models.contract import LSHModel
from lsh_core.models.subspace import MAX_PARTS
from lsh_core.retrieval.query import MAX_RESULTS, Filter, Query, Target, by_vector, request_body
from lsh_core.retrieval.token_format import TokenFormat
from lsh_core.retrieval.tokens import TokenRetrieval

_SCANNED = 4
"""Ranking rows by their tokens takes longer than comparing a quarter of them more."""


@dataclass(frozen=True)
class Tables(TokenRetrieval):
    """Tokens of several tables; the effort is the number of candidates, over all shards, that are scored.

    Attributes
    ----------
    tokens_are_probes
        Whether a search by a row's vector asks for the row's own tokens and no others.
    """

    name: ClassVar[str] = "tables"
    effort_unit: ClassVar[str] = "candidates"

    tokens_are_probes: bool = False

    @classmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the format of the tokens, and whether rows and queries have the same tokens.

        Under a metric by product they never have: rows and queries are hashed differently.
        """
        tokens = TokenFormat.of(fingerprint, model.token_count).parameters()
        return {**tokens, "tokens_are_probes": model.tokens_are_probes and not metric_named(model.metric).by_product}

    def by_vector(
        self,
        vector: Sequence[float],
        tokens: Sequence[str],
        *,
        k: int,
        effort: int,
        shards: int,
        query_filter: Filter | None = None,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Rank the rows that pass the filter by shared tokens, and score the first `effort` of them."""
        shared: dict[str, Any] = {
            "should": [{"term": {self.tokens_path: token}} for token in tokens],
            "minimum_should_match": 1,
        }
        if query_filter is not None:
            shared["filter"] = [query_filter]
        return self._ranked({"bool": shared}, by_vector(vector), k=k, effort=effort, shards=shards, fields=fields)

    def by_id(
        self,
        index: str,
        identity: str,
        *,
        k: int,
        effort: int,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Rank rows by the tokens that they share with the row, by ``more_like_this``.

        By default it would leave out rare tokens, which say most, and all but 25 of the others.
        """
        alike = {
            "fields": [self.tokens_path],
            "like": [{"_index": index, "_id": identity}],
            "min_term_freq": 1,
            "min_doc_freq": 1,
            "max_query_terms": MAX_PARTS,
            "minimum_should_match": 1,
        }
        target = self.stored_vector(index, identity)
        return self._ranked({"more_like_this": alike}, target, k=k, effort=effort, shards=shards, fields=fields)

    def _stored_is_enough(self, effort: int) -> bool:
        """Return whether a row's own tokens are all that a search by its vector asks for.

        Not so for ``hyperplane``, which probes more buckets than a row is in: .91 of the neighbours are found by its
        tokens, .96 by its vector.
        """
        return self.tokens_are_probes

    def _ranked(
        self, shared: Filter, target: Target, *, k: int, effort: int, shards: int, fields: Sequence[str] | None
    ) -> Query:
        """Score the first rows that match `shared`; the window of a rescore is per shard."""
        window = max(math.ceil(effort / shards), k)
        rescored = {
            "window_size": window,
            "query": {
                "query_weight": 0,
                "rescore_query_weight": 1,
                "rescore_query": self.scored(target, k=window),
            },
        }
        return Query(request_body(shared, k, fields) | {"rescore": rescored}, "tables", window * shards, window)

    def _scaled_effort(self, effort: int, *, rows: int, passing: int, default: int) -> int | None:
        """Score more candidates, as nearest rows that pass share fewer tokens, but never fewer than the default.

        What was measured holds for queries that lie among rows, not for queries far from all rows that pass: with rows
        on one side of a plane, .92 of the neighbours are found at the measured effort, scaled, .99 at the default.
        """
        scaled = max(math.ceil(effort * rows / passing), default)
        return scaled if scaled <= min(MAX_RESULTS, passing // _SCANNED) else None
