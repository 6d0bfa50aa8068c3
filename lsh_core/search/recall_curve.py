"""What a build finds at which effort, as it was measured on the whole of it. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class CurvePoint:
    """One effort.

    Attributes
    ----------
    effort
        In the unit of the build's model.
    recall
        Mean recall@k of the queries.
    recall_low
        One-sided 95 % lower bound of the mean that all possible queries of their kind have.
    recall_p5
        Recall of the query at the fifth percentile, from below.
    scored
        Rows that a query was compared with, on average; None where the server went through its graph.
    queries
        How many queries this was measured with.
    """

    effort: int
    recall: float
    recall_low: float
    recall_p5: float
    scored: float | None
    queries: int


@dataclass(frozen=True)
class RecallCurve:
    """The recall of one build, by effort.

    Attributes
    ----------
    k
        Neighbours that were asked for.
    queries
        How many queries it was measured with around its target, and a part of these elsewhere.
    target
        The recall that searches have unless they are told otherwise.
    effort
        What is done for it: the smallest effort whose lower bound meets the target, or the greatest measured where
        none does. None: all rows are scanned.
    points
        By rising effort.
    """

    k: int
    queries: int
    target: float
    effort: int | None
    points: tuple[CurvePoint, ...]

    def effort_for(self, recall: float) -> int | None:
        """Return the smallest measured effort whose lower bound is at least `recall`; None if there is none."""
        return next((point.effort for point in self.points if point.recall_low >= recall), None)

    def at(self, effort: int | None) -> CurvePoint | None:
        """Return what was measured at `effort`."""
        return next((point for point in self.points if point.effort == effort), None)

    def to_json(self) -> dict[str, Any]:
        """Return the value that is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> RecallCurve | None:
        """Read what `to_json` wrote; None of a build that was not measured."""
        if stored is None:
            return None
        points = tuple(CurvePoint(**point) for point in stored["points"])
        return cls(**{**stored, "points": points})
