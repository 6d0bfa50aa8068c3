"""Counts the rows that pass a filter, and caches the counts."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson

from lsh_core.retrieval.query import Filter
from lsh_core.search.searchable_build import SearchableBuild

KEEP_SECONDS = 10.0
_MAX_FILTERS = 1_000


class FilterCountCache:
    """Counts of the rows of a build by filter. May be shared between threads.

    Parameters
    ----------
    count
        Sends a count to the server.
    """

    def __init__(
        self,
        count: Callable[[SearchableBuild, Filter | None], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count, self._clock = count, clock
        self._known: dict[tuple[str, bytes], tuple[float, int]] = {}

    def passing(self, build: SearchableBuild, query_filter: Filter | None) -> int:
        """Return how many rows of `build` pass the filter; the count may be cached.

        Without a filter, all rows are counted.
        """
        key = build.index, orjson.dumps(query_filter, option=orjson.OPT_SORT_KEYS)
        known = self._known.get(key)
        if known is not None and self._clock() - known[0] < KEEP_SECONDS:
            return known[1]
        if len(self._known) >= _MAX_FILTERS:
            self._known = {}
        rows = self._count(build, query_filter)
        self._known[key] = (self._clock(), rows)
        return rows
