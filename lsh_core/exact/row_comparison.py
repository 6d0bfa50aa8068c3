"""Compares the rows of a source with fixed queries, chunk by chunk.

The nearest rows of earlier chunks bound the nearest rows of all, so a chunk lists few rows. Its list has a cutoff below
which no row of the chunk is missing. So a merge of the lists is right for any order of the chunks.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from lsh_core.exact.near_rows import NearRows
from lsh_core.exact.nearest_rows import FloatMatrix, NearestRows

_BLOCK = 4_096
"""Rows that are compared at a time: their products with 1,024 queries take 16 MiB in each thread."""


class RowComparison:
    """Comparison of chunks with the same queries. Each thread has its own bounds.

    Parameters
    ----------
    queries
        (q, d) floats.
    keep
        Number of nearest rows that bound a chunk's list.
    metric
        See `lsh_core.exact.nearest_rows.exact_neighbours`.
    fingerprint
        Fingerprint of the queries.
    """

    def __init__(self, queries: FloatMatrix, keep: int, metric: str, fingerprint: str = "") -> None:
        self._queries, self._keep, self._metric = queries, keep, metric
        self.fingerprint = fingerprint
        self._threads = threading.local()

    def compare(self, vectors: FloatMatrix, offsets: npt.NDArray[np.int64], first: int, stop: int) -> NearRows:
        """List the rows of a chunk that are near the queries.

        They are among the `keep` nearest rows of this thread's chunks so far.

        A chunk may be compared again: the thread first forgets its rows.

        Parameters
        ----------
        vectors
            (n, d): valid rows of the chunk.
        offsets
            (n,): offsets of the rows in the chunk.
        first, stop
            Row numbers of the chunk in the source, [first, stop).

        Raises
        ------
        ValueError
            A vector cannot be compared.
        """
        nearest = self._nearest()
        nearest.forget(first, stop)
        nearest.add(vectors, _BLOCK, row_numbers=first + offsets)
        queries, ranks = np.nonzero((nearest.rows >= first) & (nearest.rows < stop))
        return NearRows(
            cutoffs=nearest.measures[:, -1].copy(),
            queries=queries,
            offsets=nearest.rows[queries, ranks] - first,
            measures=nearest.measures[queries, ranks],
        )

    def _nearest(self) -> NearestRows:
        if not hasattr(self._threads, "nearest"):
            self._threads.nearest = NearestRows(self._queries, self._keep, self._metric, expected=0, backend="numpy")
        nearest: NearestRows = self._threads.nearest
        return nearest
