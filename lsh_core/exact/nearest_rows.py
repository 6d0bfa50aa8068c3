"""Finds exact nearest neighbours by brute force, in bounded memory.

A float32 matrix product filters each block of rows. It is fast but has rounding errors, so it only discards rows that
are further away than the k-th best even within its error bound. The metric measures the other pairs in float64, from
differences if possible, which is exact to the last bits, so that repeated vectors have equal distances. Ties go to the
row with the smaller index. Under a metric without an error bound every pair is measured.

TensorFlow may compute the product on a GPU. The result is the same, since the float64 measures decide.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lsh_core.backends import Backend, choose_backend
from lsh_core.errors import SettingsError
from lsh_core.exact.candidate_filter import CandidateFilter, EveryPair, squared_lengths
from lsh_core.metrics import metric_named
from lsh_core.metrics.contract import Metric

FloatMatrix: TypeAlias = npt.NDArray[np.floating]

ROW_BLOCK = 8_192
_QUERY_BLOCK = 1_024
_WORTH_A_GPU = 2**38
"""Multiplications that take a core some seven seconds, as long as importing TensorFlow and starting a GPU."""
_NO_ROW = np.iinfo(np.int64).max
_PAIRS = 2**20
"""Pairs that are measured at a time without a bound."""
_PAIR_NUMBERS = 2**22  # numbers of the differences that are in memory at once: 32 MiB


def exact_neighbours(
    rows: FloatMatrix, queries: FloatMatrix, k: int, metric: str, block: int = ROW_BLOCK, backend: str = "auto"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Find the `k` nearest rows of each query.

    Parameters
    ----------
    rows
        (n, d) floats; may be memory-mapped, as blocks are read one at a time.
    queries
        (q, d) floats.
    metric
        Name of a metric: ``l2`` (Euclidean, not squared), ``cosine`` (1 - cos), ``dot`` (-x·q), or a package's.
    block
        Rows per block.
    backend
        See `NearestRows`.

    Returns
    -------
    indices
        (q, k) int64 row numbers, nearest first; equal distances in the order of the rows.
    distances
        (q, k) float32.

    Raises
    ------
    ValueError
        Shapes do not fit, there are fewer than `k` rows, a number is not finite, or a vector is zero under a metric
        that needs a direction.
    MissingPackageError
        TensorFlow is requested, but not installed.
    """
    _check(rows, queries, k, metric, block)
    nearest = NearestRows(queries, k, metric, expected=len(rows), backend=backend)
    nearest.add(rows, block)
    return nearest.rows, nearest.distances


class NearestRows:
    """Nearest rows to each query, among rows that arrive in blocks.

    Parameters
    ----------
    queries
        (q, d) floats.
    k
        Number of rows to keep per query.
    metric
        See `exact_neighbours`.
    expected
        Approximate number of rows; for few rows no GPU is started.
    backend
        Library of the float32 product: ``numpy``, ``tensorflow``, or ``auto``. The last means TensorFlow if it is
        installed, has a GPU, and the work is large enough.

    Attributes
    ----------
    rows
        (q, k) int64: row numbers in order of arrival, nearest first; the largest int64 if fewer than `k` rows came.
    seen
        Number of rows so far.
    """

    def __init__(self, queries: FloatMatrix, k: int, metric: str, *, expected: int, backend: str = "auto") -> None:
        self._k, self._metric = k, metric_named(metric)
        self._queries = _prepared(queries, self._metric, "query", np.arange(len(queries)))
        self._longest = float(squared_lengths(self._queries).max(initial=0.0))
        little = queries.size * expected < _WORTH_A_GPU
        self._backend: Backend = "numpy" if backend == "auto" and little else choose_backend(backend)
        self.rows = np.full((len(queries), k), _NO_ROW)
        self._measures = np.full((len(queries), k), np.inf)  # As the metric's `measure` returns them.
        self.seen = 0

    @property
    def distances(self) -> npt.NDArray[np.float32]:
        """Distances, (q, k); infinite if fewer than `k` rows came."""
        return self._metric.distances(self._measures).astype(np.float32)

    @property
    def measures(self) -> npt.NDArray[np.float64]:
        """Values of the metric's `measure`, (q, k); infinite if fewer than `k` rows came."""
        return self._measures

    def add(
        self, rows: FloatMatrix, block: int = ROW_BLOCK, *, row_numbers: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Compare more rows, (n, d), `block` at a time.

        Parameters
        ----------
        row_numbers
            (n,): numbers of the rows, which no other row has; default: the order of arrival.

        Raises
        ------
        ValueError
            A number is not finite, or a vector is zero under ``cosine``.
        """
        numbers = self.seen + np.arange(len(rows)) if row_numbers is None else row_numbers
        for start in range(0, len(rows), block):
            self._add(rows[start : start + block], numbers[start : start + block])

    def forget(self, first: int, stop: int) -> None:
        """Forget the rows whose numbers are in [`first`, `stop`)."""
        forgotten = (self.rows >= first) & (self.rows < stop)
        touched = np.flatnonzero(forgotten.any(axis=1))
        if not len(touched):
            return
        self._measures[forgotten], self.rows[forgotten] = np.inf, _NO_ROW
        order = np.lexsort((self.rows[touched], self._measures[touched]))
        for held in (self._measures, self.rows):
            held[touched] = np.take_along_axis(held[touched], order, axis=1)

    def _add(self, block: FloatMatrix, numbers: npt.NDArray[np.int64]) -> None:
        prepared = _prepared(block, self._metric, "row", numbers)
        step, candidates = self._filter(prepared)
        for start in range(0, len(self._queries), step):
            part = slice(start, start + step)
            queries, rows, measures = self._queries[part], self.rows[part], self._measures[part]
            found, places = candidates.pairs(queries, measures[:, -1], self._k)
            measured = _measure(self._metric, prepared, queries, found, places)
            near = measured < measures[found, -1]  # A row at the same distance comes later, and loses.
            _merge(rows, measures, found[near], numbers[places[near]], measured[near])
        self.seen += len(block)

    def _filter(self, rows: npt.NDArray[np.float64]) -> tuple[int, CandidateFilter | EveryPair]:
        """Return the number of queries per step, and the filter of pairs with a block of rows."""
        bound = self._metric.exact_filter
        if bound is None:
            return max(1, _PAIRS // len(rows)), EveryPair(len(rows))
        return _QUERY_BLOCK, CandidateFilter(rows, self._longest, by_product=bound == "product", backend=self._backend)


def _check(rows: FloatMatrix, queries: FloatMatrix, k: int, metric: str, block: int) -> None:
    try:
        metric_named(metric)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    if rows.ndim != 2 or queries.ndim != 2 or rows.shape[1] != queries.shape[1]:
        raise ValueError(f"rows {rows.shape} and queries {queries.shape} must be matrices of the same width")
    if not 1 <= k <= len(rows):
        raise ValueError(f"k is {k}, it must be between 1 and the {len(rows)} rows")
    if block < 1:
        raise ValueError(f"block is {block}, it must be 1 or more")


def _prepared(
    vectors: FloatMatrix, metric: Metric, noun: str, numbers: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return float64 vectors, prepared by the metric; errors name a vector by its number."""
    prepared = np.asarray(vectors, np.float64)
    norms = np.sqrt(squared_lengths(prepared))
    if not np.isfinite(norms).all():
        raise ValueError(f"{noun} {numbers[np.argmin(np.isfinite(norms))]} has a number that is not finite")
    if metric.needs_direction and not norms.all():
        raise ValueError(f"{noun} {numbers[np.argmin(norms)]} is zero, {metric.name} needs a direction")
    return metric.prepare_exact(prepared, norms)


def _measure(
    metric: Metric,
    rows: npt.NDArray[np.float64],
    queries: npt.NDArray[np.float64],
    query_numbers: npt.NDArray[np.int64],
    row_numbers: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    measured = np.empty(len(row_numbers), np.float64)
    step = max(1, _PAIR_NUMBERS // rows.shape[1])
    for start in range(0, len(row_numbers), step):
        part = slice(start, start + step)
        measured[part] = metric.measure(rows[row_numbers[part]], queries[query_numbers[part]])
    return measured


def _merge(
    indices: npt.NDArray[np.int64],
    measures: npt.NDArray[np.float64],
    query_numbers: npt.NDArray[np.int64],
    row_numbers: npt.NDArray[np.int64],
    measured: npt.NDArray[np.float64],
) -> None:
    """Merge measured pairs, sorted by query, into the best so far, in place."""
    if not len(query_numbers):
        return
    k = indices.shape[1]
    touched, starts, counts = np.unique(query_numbers, return_index=True, return_counts=True)
    shape = len(touched), k + int(counts.max())
    distances, numbers = np.full(shape, np.inf), np.full(shape, _NO_ROW)
    distances[:, :k], numbers[:, :k] = measures[touched], indices[touched]
    places = np.repeat(np.arange(len(touched)), counts), k + np.arange(len(query_numbers)) - np.repeat(starts, counts)
    distances[places], numbers[places] = measured, row_numbers
    best = np.argsort(distances, axis=1, kind="stable")[:, :k]
    measures[touched] = np.take_along_axis(distances, best, axis=1)
    indices[touched] = np.take_along_axis(numbers, best, axis=1)
