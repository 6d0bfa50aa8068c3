"""Report of an index run, finished or failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from lsh_core.builds.records import BuildState
from lsh_core.builds.stage_facts import DefaultRecall, RowAccounts
from lsh_core.sources.source_facts import SourceFacts


@dataclass(frozen=True, kw_only=True)
class IndexReport(SourceFacts, RowAccounts, DefaultRecall):
    """Report of an index run.

    The figures cover the whole build, over all tries. A count that no stage has reached is None.

    Attributes
    ----------
    alias
        Index name that users search.
    promoted
        Whether the build is live.
    skipped
        Rows of `rows_read` that the last try did not send again, because the ledger had their chunks. The other counts
        include them.
    documents
        Documents of the index.
    seconds
        Duration of each stage that has ended.
    columns_left_out
        Columns of the source that are used only if they are named.
    warnings
        Problems of the distribution of rows over tokens, each as ``{"what", "remedy"}``.
    error
        Message of the failure; None for a run without a failure.
    """

    build: str
    index: str
    alias: str
    model_id: str
    state: BuildState
    promoted: bool
    skipped: int | None = None
    documents: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    columns_left_out: Sequence[str] = ()
    warnings: Sequence[Mapping[str, str]] = ()
    error: str | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form that `to_json` returned."""
        return super().from_json({**document, "state": BuildState(document["state"])})
