"""Ground truth from lists of near rows that were made while the source was loaded.

The lists know the rows of the source. Rows that came from elsewhere are read from the index and compared as well. A
query whose list does not go far enough is compared with all rows of the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsh_core.builds.mapping import VectorField
from lsh_core.elastic.cluster import Cluster
from lsh_core.evaluation.ground_truth import ExactSearch, GroundTruth, IndexScan, nearest_in_index, true_neighbours
from lsh_core.evaluation.query_set import QuerySet
from lsh_core.exact.known_neighbours import KnownNeighbours


@dataclass(frozen=True)
class SourceTruth:
    """Queries with the neighbours that the source's lists know.

    Attributes
    ----------
    others
        Elasticsearch queries whose matches are the rows that the lists lack.
    """

    queries: QuerySet
    known: KnownNeighbours
    others: tuple[Mapping[str, Any], ...] = ()

    def first(self, queries: int) -> SourceTruth:
        """Return the truth of the first `queries` queries, or of all."""
        return SourceTruth(self.queries.first(queries), self.known.first(queries), self.others)

    def complete(
        self, cluster: Cluster, index: str, field: VectorField, k: int, *, rows: int, scan: IndexScan = nearest_in_index
    ) -> GroundTruth:
        """Return the `k` true neighbours of each query, without the query itself.

        Parameters
        ----------
        rows
            Number of rows of the index, at least k + 1.
        scan
            Scan of the index, for queries that the lists do not know enough of.
        """
        known = self.known
        for others in self.others:
            added = nearest_in_index(cluster, index, ExactSearch(field, self.queries.vectors, k, others))
            known = known.with_rows(*added).nearest(self.known.measures.shape[1])
        truth = GroundTruth.of_measures(known.measures[:, :k], known.id_hashes[:, :k], field.metric)
        unknown = np.flatnonzero(~known.are_certain(k))
        if not len(unknown):
            return truth
        found = true_neighbours(cluster, index, field, self.queries.take(unknown), k, rows=rows, scan=scan)
        return truth.replaced(unknown, found)
