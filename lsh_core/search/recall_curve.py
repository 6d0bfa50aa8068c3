"""Recall of a build by effort, measured on the whole build. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class CurvePoint:
    """Figures of one effort.

    Attributes
    ----------
    effort
        Effort in the unit of the build's model.
    recall
        Mean recall@k of the queries.
    recall_low
        One-sided 95 % lower bound of the mean over all queries of this kind.
    recall_p5
        Fifth percentile of the recall of single queries.
    scored
        Mean number of rows that a query was compared with; None for the server's graph.
    queries
        Number of measured queries.
    """

    effort: float
    recall: float
    recall_low: float
    recall_p5: float
    scored: float | None
    queries: int


@dataclass(frozen=True)
class RecallCurve:
    """Recall of one build, by effort.

    Attributes
    ----------
    k
        Number of neighbours.
    queries
        Number of queries measured around the target; other efforts are measured with a part of them.
    target
        Target recall of searches that set neither effort nor recall.
    effort
        Default effort: the smallest whose lower bound meets the target, or the largest measured one if none does. None:
        all rows are scanned.
    points
        By rising effort.
    """

    k: int
    queries: int
    target: float
    effort: float | None
    points: tuple[CurvePoint, ...]

    def effort_for(self, recall: float) -> float | None:
        """Return the smallest measured effort whose lower bound is at least `recall`, or None."""
        return next((point.effort for point in self.points if point.recall_low >= recall), None)

    def at(self, effort: float | None) -> CurvePoint | None:
        """Return the measured figures at `effort`."""
        return next((point for point in self.points if point.effort == effort), None)

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> RecallCurve | None:
        """Read the output of `to_json`; None for a build that was not measured."""
        if stored is None:
            return None
        points = tuple(CurvePoint(**point) for point in stored["points"])
        return cls(**{**stored, "points": points})
