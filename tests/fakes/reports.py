"""Reports and facts of jobs and stages that pretend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lsh_core.builds.stage_facts import CheckFacts

CHECKED = CheckFacts(
    rows=1,
    files=1,
    dims=2,
    model_id="m",
    elasticsearch="9.0",
    data_nodes=1,
    workers=1,
    worker_threads=1,
    live=None,
    source_as_of=None,
)
"""Facts of a check that found one row."""


@dataclass(frozen=True)
class FakeReport:
    """A report with any JSON form."""

    document: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return self.document
