"""Compares queries with the rows of an index on Dask workers, in slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.scan import open_view
from lsh_core.evaluation.ground_truth import ExactSearch, Hashes, IndexScan, Measures, nearest_in_index, nearest_in_view
from lsh_core.exact.known_neighbours import KnownNeighbours
from lsh_core.jobs.dask.futures import follow_futures
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.progress import progress

MIN_ROWS = 200_000
"""Rows from which workers are faster than this process."""
_SLICES_PER_THREAD = 2
_MAX_SLICES = 1_024
"""Maximum of slices of a point in time (``index.max_slices_per_pit``)."""


def sliced_scan(services: Services) -> IndexScan:
    """Return the scan of large indexes by the Dask workers of `services`.

    Small indexes are read by this process, and all indexes where no scheduler is given.
    """
    return nearest_in_index if services.dask is None else SlicedScan(services)


@dataclass(frozen=True)
class SlicedScan:
    """Scan by Dask workers. Each keeps the nearest rows of its slices, and returns only those.

    Attributes
    ----------
    min_rows
        Rows below which this process reads the index.
    """

    services: Services
    min_rows: int = MIN_ROWS

    def __call__(self, cluster: Cluster, index: str, search: ExactSearch) -> tuple[Measures, Hashes]:
        """See `lsh_core.evaluation.ground_truth.nearest_in_index`."""
        if search.rows < self.min_rows:
            return nearest_in_index(cluster, index, search)
        size = len(search.queries)
        best = KnownNeighbours(np.empty((size, 0)), np.empty((size, 0, 2), np.uint64), np.full(size, np.inf))
        with dask_client(self.services) as dask, open_view(cluster, index) as view:
            slices = min(_SLICES_PER_THREAD * worker_threads(dask)[1], _MAX_SLICES)
            # Without a number of rows, a slice is compared by NumPy.
            (sent,) = dask.scatter([replace(search, rows=0)], broadcast=True, hash=False)
            futures = [
                dask.submit(nearest_in_view, cluster, view, sent, part=(number, slices), pure=False)
                for number in range(slices)
            ]
            with progress("exact neighbours", unit="slices", total=slices) as meter:
                for future in follow_futures(dask, futures):
                    best = best.with_rows(*future.result()).nearest(search.k)
                    meter.advance(1)
        return best.measures, best.id_hashes
