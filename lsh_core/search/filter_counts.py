"""How many rows pass a filter: counted once, and remembered for a while, as callers repeat their filters."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson

from lsh_core.search.queries import Filter

KEEP_SECONDS = 10.0
_MOST_FILTERS = 1_000


class FilterCountCache:
    """Counts of the rows of one index by filter. May be shared between threads.

    Parameters
    ----------
    count
        Asks the server.
    """

    def __init__(self, count: Callable[[Filter | None], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock = count, clock
        self._known: dict[bytes, tuple[float, int]] = {}

    def passing(self, query_filter: Filter | None) -> int:
        """Return how many rows pass the filter, or did a few seconds ago; None: how many there are."""
        key = orjson.dumps(query_filter, option=orjson.OPT_SORT_KEYS)
        known = self._known.get(key)
        if known is not None and self._clock() - known[0] < KEEP_SECONDS:
            return known[1]
        if len(self._known) >= _MOST_FILTERS:
            self._known = {}
        rows = self._count(query_filter)
        self._known[key] = (self._clock(), rows)
        return rows
