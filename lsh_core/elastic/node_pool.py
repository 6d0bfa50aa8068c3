"""Round robin over nodes, with a quarantine for nodes that do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

FIRST_OPEN_SECONDS = 2.0
MAX_OPEN_SECONDS = 60.0
MAX_OPEN_SECONDS_OF_ALL = 10.0
"""Pause before a node is tried again if no node answers. Then there is no other node to use."""
_TRIAL_SECONDS = 60.0
_LOOK_SECONDS = 0.5


@dataclass
class _Health:
    """Health of one node; `seconds` is the length of its quarantine, 0 if it answers."""

    seconds: float = 0.0
    away_since: float = 0.0
    failed_at: float = 0.0
    trial_until: float | None = None
    hung: bool = False


class Turn(NamedTuple):
    """Node to use next.

    `brief` asks for a short time-out: the node failed before, and others answer.
    """

    node: int
    brief: bool


class NodePool:
    """Circuit breaker over nodes.

    A node in quarantine is skipped for its neighbour. When the quarantine ends, one caller alone gets the node, as a
    trial. The other callers skip the node until the trial has called `answered` or `failed`, or `release` if it got no
    result. Threads may share the pool.
    """

    def __init__(self, nodes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._health = [_Health() for _ in range(nodes)]
        self._clock = clock
        self._lock = threading.Lock()
        self._last_home = -1

    def __len__(self) -> int:
        return len(self._health)

    def next_home(self) -> int:
        """Return the next node: callers that use it go round robin."""
        with self._lock:
            self._last_home = (self._last_home + 1) % len(self._health)
            return self._last_home

    def hung(self, node: int) -> bool:
        """Return whether `node` hung, and has not answered since."""
        with self._lock:
            return self._health[node].hung

    def take(self, home: int) -> int | None:
        """Return the first available node from `home` on, or None."""
        with self._lock:
            return self._take(self._from(home))

    def least_recently_failed(self, home: int) -> int:
        """Return `home` or the node that failed first, although none is available."""
        with self._lock:
            return min(self._from(home), key=lambda node: self._health[node].failed_at)

    def away(self) -> list[int]:
        """Return the nodes whose last request failed."""
        with self._lock:
            return [node for node, health in enumerate(self._health) if health.seconds]

    def turns(self, home: int) -> Iterator[Turn]:
        """Yield every node once, from `home` on, nodes in quarantine last."""
        asked: set[int] = set()
        while len(asked) < len(self._health):
            with self._lock:
                left = [node for node in self._from(home) if node not in asked]
                node = self._take(left)
                if node is None:
                    node = min(left, key=lambda each: self._health[each].failed_at)
                brief = bool(self._health[node].seconds) and not all(each.seconds for each in self._health)
            asked.add(node)
            yield Turn(node, brief)

    def seconds_to_next(self) -> float:
        """Return the seconds until a node may be available."""
        with self._lock:
            now = self._clock()
            return max(
                0.0,
                min(
                    _LOOK_SECONDS if health.trial_until is not None else self._free_at(health) - now
                    for health in self._health
                ),
            )

    def failed(self, node: int, *, after: float = 0.0, hung: bool = False) -> float:
        """Put `node` into quarantine, each time for twice as long as the last.

        Parameters
        ----------
        after
            Duration of the failed request, in seconds.
        hung
            Whether the node answered no ping either.

        Returns
        -------
        float
            Seconds since the outage began.
        """
        with self._lock:
            now, health = self._clock(), self._health[node]
            health.hung |= hung
            if not health.seconds:
                health.away_since = now - after
            elif health.trial_until is None and health.failed_at + health.seconds > now:
                return now - health.away_since  # Another request that was under way failed too: both are one failure.
            health.seconds = min(max(FIRST_OPEN_SECONDS, health.seconds * 2), MAX_OPEN_SECONDS)
            health.failed_at, health.trial_until = now, None
            return now - health.away_since

    def answered(self, node: int) -> float:
        """Clear the failures of `node`; return the duration of its outage in seconds."""
        with self._lock:
            health = self._health[node]
            if not health.seconds:
                return 0.0
            self._health[node] = _Health()
            return self._clock() - health.away_since

    def release(self, node: int) -> None:
        """Return `node` without a result."""
        with self._lock:
            self._health[node].trial_until = None

    def _from(self, home: int) -> list[int]:
        count = len(self._health)
        return [node % count for node in range(home, home + count)]

    def _take(self, nodes: Collection[int]) -> int | None:
        """Return the first available node of `nodes`; a node after its quarantine goes on trial."""
        now = self._clock()
        node = next((node for node in nodes if self._free_at(self._health[node]) <= now), None)
        if node is not None and self._health[node].seconds:
            self._health[node].trial_until = now + _TRIAL_SECONDS
        return node

    def _free_at(self, health: _Health) -> float:
        """Return the time at which a node is available; a past time means now."""
        if not health.seconds:
            return float("-inf")
        if health.trial_until is not None:
            return health.trial_until  # So that a trial without an end does not exclude the node for ever.
        nobody_else = all(each.seconds for each in self._health)
        return health.failed_at + (min(health.seconds, MAX_OPEN_SECONDS_OF_ALL) if nobody_else else health.seconds)
