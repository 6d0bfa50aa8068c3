"""Round robin over nodes, with a quarantine for those that do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_QUARANTINE_SECONDS = 2.0
LONGEST_QUARANTINE_SECONDS = 60.0


@dataclass
class _Health:
    until: float = 0.0
    seconds: float = 0.0


class NodeRing:
    """Chunk i belongs to node (i + offset) mod n; a node in quarantine is passed over for its neighbour.

    Safe to share between threads.
    """

    def __init__(self, nodes: int, *, offset: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._health = [_Health() for _ in range(nodes)]
        self._offset, self._clock = offset, clock
        self._lock = threading.Lock()

    def home(self, chunk: int) -> int:
        """Return the node that chunk number `chunk` belongs to."""
        return (chunk + self._offset) % len(self._health)

    def available(self, home: int) -> int | None:
        """Return the first node from `home` on that is not in quarantine, or None."""
        now, count = self._clock(), len(self._health)
        with self._lock:
            return next(
                (node % count for node in range(home, home + count) if self._health[node % count].until <= now), None
            )

    def seconds_to_next(self) -> float:
        """Return the seconds until the first quarantine ends."""
        with self._lock:
            return max(0.0, min(health.until for health in self._health) - self._clock())

    def failed(self, node: int) -> None:
        """Put `node` into quarantine, each time for twice as long as the last."""
        with self._lock:
            health = self._health[node]
            if health.until > self._clock():
                return  # Another request that was under way failed with it: one failure, not two.
            health.seconds = min(max(FIRST_QUARANTINE_SECONDS, health.seconds * 2), LONGEST_QUARANTINE_SECONDS)
            health.until = self._clock() + health.seconds

    def answered(self, node: int) -> None:
        """Forget earlier failures of `node`."""
        with self._lock:
            self._health[node] = _Health()
