"""Report of an evaluation: recall, latency and cost of a build by effort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lsh_core.evaluation.diagnostics import Diagnostic
from lsh_core.evaluation.frontier import DepthRecall, Frontier, FrontierPoint
from lsh_core.evaluation.hash_health import HashHealth, TokenShare
from lsh_core.json_form import JsonForm


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(Frontier, JsonForm):
    """Figures of searches with the default effort, and of each effort in `curve`.

    Attributes
    ----------
    rows
        Rows of the index.
    own_queries
        Whether the queries came from a user's file.
    effort_name
        Name that the model gives its effort, such as ``reach``.
    favours_own_rows
        Whether the build finds neighbours of indexed rows more easily than neighbours of other vectors.
    target
        Recall@10 that the build's default effort was chosen for; None if it was not measured.
    health
        Spread of the rows over the model's tokens; None for models without tokens.
    changes
        Rows that were written or deleted during the evaluation.
    report
        Path or URL of the report page, if written.
    """

    name: str
    build: str
    index: str
    model: str
    metric: str
    rows: int
    own_queries: bool
    effort_name: str
    favours_own_rows: bool = False
    target: float | None
    health: HashHealth | None = None
    changes: int = 0
    evaluated_at: str
    report: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON values.

        A point of the curve also has its effort under the model's unit.

        ``report`` is left out if no page was written.
        """
        document = super().to_json()
        document["curve"] = [{self.effort_name: point["effort"], **point} for point in document["curve"]]
        if self.report is None:
            del document["report"]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the output of `to_json`."""
        health, name = document.get("health"), document["effort_name"]
        points = [{key: value for key, value in each.items() if key != name} for each in document["curve"]]
        return super().from_json(
            {
                **document,
                "curve": [FrontierPoint(**each) for each in points],
                "recall_at": {depth: DepthRecall(**found) for depth, found in document["recall_at"].items()},
                "health": None if health is None else _health(health),
            }
        )


def _health(document: Mapping[str, Any]) -> HashHealth:
    return HashHealth(
        **{
            **document,
            "largest": [TokenShare(**each) for each in document["largest"]],
            "hot": [TokenShare(**each) for each in document["hot"]],
            "warnings": [Diagnostic(**each) for each in document["warnings"]],
        }
    )
