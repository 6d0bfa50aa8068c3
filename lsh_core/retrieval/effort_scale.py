"""Scales of efforts: steps between efforts, and efforts between others. Pure: no I/O."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator


class EffortScale(ABC):
    """Scale of the efforts of a retrieval strategy."""

    @abstractmethod
    def position(self, effort: float) -> float:
        """Return the position of an effort on an even scale of work."""

    @abstractmethod
    def at(self, position: float) -> float:
        """Return the smallest effort at a position or above."""

    @abstractmethod
    def next(self, effort: float, step: float) -> float:
        """Return another effort, of about `step` times the work of `effort`: larger, or with a step below 1 smaller."""

    @abstractmethod
    def between(self, low: float, high: float) -> float | None:
        """Return the effort in the middle; None if the two are about equal."""

    def rising(self, least: float, most: float, *, step: float) -> Iterator[float]:
        """Yield efforts from `least` to `most`, each of about `step` times the previous work."""
        effort = least
        while effort < most:
            yield effort
            effort = self.next(effort, step)
        yield most


class WholeNumbers(EffortScale):
    """Efforts that are numbers of rows or lists."""

    def position(self, effort: float) -> float:
        """Return the logarithm."""
        return math.log(effort)

    def at(self, position: float) -> float:
        """Return a whole number."""
        return max(1, math.ceil(math.exp(position) - 1e-9))

    def next(self, effort: float, step: float) -> float:
        """Return a whole number."""
        moved = round(effort * step)
        return max(int(effort) + 1, moved) if step > 1 else min(int(effort) - 1, moved)

    def between(self, low: float, high: float) -> float | None:
        """Return a whole number; None if the efforts are within 3 %."""
        middle = round(math.sqrt(low * high))
        return middle if low < middle < high and high > 1.03 * low else None


class Reaches(EffortScale):
    """Efforts that are reaches, to three decimals.

    Work grows with a power of the reach: it doubles from 1.03 to 1.06 (text embeddings) or to 1.08 (SIFT), and in 2
    dimensions from 1 to 1.4. So steps are small at 1, and grow with the distance from 1.
    """

    def position(self, effort: float) -> float:
        """Return the reach."""
        return effort

    def at(self, position: float) -> float:
        """Return the reach, to three decimals."""
        return math.ceil(round(1_000 * position, 6)) / 1_000

    def next(self, effort: float, step: float) -> float:
        """Return a reach that differs by .04 or more for twice or half the work."""
        share = math.log2(step)
        return self.at(effort + share * max(0.04, 0.4 * abs(effort - 1)))

    def between(self, low: float, high: float) -> float | None:
        """Return a reach; None if the reaches are within .003."""
        return self.at((low + high) / 2) if high - low > 0.003 else None
