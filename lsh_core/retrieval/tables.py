"""Retrieval by tables (``hyperplane``, ``subspace``): ranks rows by shared tokens.

The server scores the first `candidates` rows of this ranking exactly, in the same request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lsh_core.built_in import MAX_PARTS
from lsh_core.metrics import metric_named
from lsh_core.models.contract import LSHModel
from lsh_core.models.effort import Effort
from lsh_core.retrieval.query import MAX_RESULTS, Filter, Query, Target, Vector, by_vector, request_body
from lsh_core.retrieval.token_format import TokenFormat
from lsh_core.retrieval.tokens import TokenRetrieval

_SCANNED = 4
"""Ranking rows by tokens takes longer than scoring a quarter more of them."""


@dataclass(frozen=True)
class Tables(TokenRetrieval):
    """Tokens of several tables; the effort is the number of scored candidates over all shards.

    Attributes
    ----------
    tokens_are_probes
        Whether a search by a row's vector probes the row's own tokens only.
    """

    name: ClassVar[str] = "tables"
    effort_unit: ClassVar[str] = "candidates"

    tokens_are_probes: bool = False

    @classmethod
    def parameters_of(cls, model: LSHModel, fingerprint: str) -> dict[str, Any]:
        """Return the format of the tokens, and whether tokens are probes.

        Under a metric by product they never are: rows and queries are hashed differently.
        """
        tokens = TokenFormat.of(fingerprint, model.token_count).parameters()
        return {**tokens, "tokens_are_probes": model.tokens_are_probes and not metric_named(model.metric).by_product}

    def by_vector(
        self,
        vector: Vector,
        tokens: Sequence[str],
        *,
        k: int,
        effort: Effort,
        shards: int,
        query_filter: Filter | None = None,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search that ranks rows by shared tokens, and scores `effort` rows."""
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
        id: str,
        *,
        k: int,
        effort: Effort,
        shards: int,
        fields: Sequence[str] | None = None,
    ) -> Query:
        """Return the search that ranks rows by tokens shared with the row (``more_like_this``).

        The defaults of ``more_like_this`` drop rare tokens, the most selective ones, and all but 25 others.
        """
        alike = {
            "fields": [self.tokens_path],
            "like": [{"_index": index, "_id": id}],
            "min_term_freq": 1,
            "min_doc_freq": 1,
            "max_query_terms": MAX_PARTS,
            "minimum_should_match": 1,
        }
        target = self.stored_vector(index, id)
        return self._ranked({"more_like_this": alike}, target, k=k, effort=effort, shards=shards, fields=fields)

    def _stored_is_enough(self, effort: Effort) -> bool:
        """Return whether a search by the row's vector probes only its own tokens.

        ``hyperplane`` probes further buckets: .91 of the neighbours are found by a row's tokens, .96 by its vector.
        """
        return self.tokens_are_probes

    def _ranked(
        self, shared: Filter, target: Target, *, k: int, effort: Effort, shards: int, fields: Sequence[str] | None
    ) -> Query:
        """Return the search that scores the first rows by `shared`; rescore windows are per shard."""
        window = max(math.ceil(effort.whole / shards), k)
        rescored = {
            "window_size": window,
            "query": {
                "query_weight": 0,
                "rescore_query_weight": 1,
                "rescore_query": self.scored(target, k=window),
            },
        }
        return Query(request_body(shared, k, fields) | {"rescore": rescored}, "tables", window * shards, window)

    def _scaled_effort(self, effort: Effort, *, rows: int, passing: int, default: float) -> Effort | None:
        """Scale the candidates, since matching rows share fewer tokens, to at least the default.

        The measured curve holds for queries that lie among rows, not for queries far from all matching rows: with rows
        on one side of a plane, .92 of the neighbours are found at the scaled measured effort, .99 at the default.
        """
        scaled = max(math.ceil(effort.whole * rows / passing), default)
        return self.effort(scaled) if scaled <= min(MAX_RESULTS, passing // _SCANNED) else None
