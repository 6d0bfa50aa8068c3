"""Facts that the stages of an index run report, such as rows, shards and seconds.

The record of the build stores the facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from lsh_core.builds.node_load import NodeLoad
from lsh_core.json_form import JsonForm
from lsh_core.sources.source_facts import SourceFacts


@dataclass(frozen=True, kw_only=True)
class StageFacts(JsonForm):
    """Facts of any stage.

    Attributes
    ----------
    seconds
        Duration of the stage; None until it has ended.
    """

    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, ``seconds`` last."""
        document = super().to_json()
        return {**document, "seconds": document.pop("seconds")}


@dataclass(frozen=True, kw_only=True)
class CheckFacts(SourceFacts, StageFacts):
    """Facts of source, model and servers, known before any work is done."""

    rows: int
    files: int
    columns_left_out: Sequence[str] = ()
    dims: int
    model_id: str
    elasticsearch: str
    data_nodes: int
    workers: int
    worker_threads: int
    live: str | None
    source_as_of: str | None


@dataclass(frozen=True, kw_only=True)
class PlanFacts(SourceFacts, StageFacts):
    """Figures of the plan."""

    rows: int
    files: int
    chunks: int
    chunk_rows: int
    shards: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class CreateFacts(StageFacts):
    """Facts of a created index; `created` is False if an earlier try created it."""

    index: str
    created: bool
    shards: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class LoadFacts(StageFacts):
    """Rows and chunks of one load.

    Attributes
    ----------
    rows_read, chunks
        Rows and chunks of this try.
    skipped
        Rows of chunks that an earlier try loaded.
    adopted
        Whether the load followed a job that was already running on Dask.
    """

    rows_read: int
    skipped: int
    chunks: int
    adopted: bool


@dataclass(frozen=True, kw_only=True)
class FinalizeFacts(StageFacts):
    """Size of the merged index on disk, in bytes, without replicas."""

    bytes: int


@dataclass(frozen=True, kw_only=True)
class RowAccounts(JsonForm):
    """Accounts of all rows: ``rows_read = accepted + repeated + replaced + dead_lettered``.

    Attributes
    ----------
    repeated, replaced
        Rows that lost to a later row with the same id, and rows that lost to a live change.
    rows_beyond_norm
        Rows of a ``dot`` index beyond the trained norm. Their recall is lower.
    nodes
        Load statistics of each node.
    work_seconds
        Seconds of all workers together, by type of work.
    """

    rows_read: int | None = None
    accepted: int | None = None
    repeated: int | None = None
    replaced: int | None = None
    dead_lettered: int | None = None
    rows_beyond_norm: int | None = None
    nodes: Sequence[NodeLoad] = ()
    work_seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form that `to_json` returned."""
        nodes = tuple(NodeLoad.from_json(node) for node in document.get("nodes", ()))
        return super().from_json({**document, "nodes": nodes})

    @property
    def outcomes(self) -> tuple[int, int, int, int]:
        """Rows accepted, repeated, replaced and dead-lettered."""
        return self.accepted or 0, self.repeated or 0, self.replaced or 0, self.dead_lettered or 0


@dataclass(frozen=True, kw_only=True)
class DefaultRecall(JsonForm):
    """Recall@10 of searches with the default effort, measured on the finished build.

    Attributes
    ----------
    recall, recall_low
        Mean and one-sided 95 % lower bound; None where the build has fewer than two rows.
    recall_queries
        Number of queries measured.
    effort
        Default effort; None: a scan of all rows.
    """

    recall: float | None = None
    recall_low: float | None = None
    recall_target: float | None = None
    recall_queries: int | None = None
    effort: float | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyFacts(DefaultRecall, RowAccounts, StageFacts):
    """Accounts, contents and recall of a build.

    Attributes
    ----------
    documents
        Documents of the index; None before the index was compared with the ledger.
    vectors_compared
        Vectors that were read back and compared.
    scored
        Mean number of rows that a default search scores.
    warnings
        Problems of the distribution of rows over tokens, each as ``{"what", "remedy"}``.
    """

    documents: int | None = None
    vectors_compared: int | None = None
    scored: float | None = None
    warnings: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class PromoteFacts(StageFacts):
    """Facts of a promotion: whether the alias moved, and the live index."""

    promoted: bool
    live: str | None


@dataclass(frozen=True, kw_only=True)
class RecordedStages:
    """Facts of the finished stages; None for each other stage."""

    check: CheckFacts | None = None
    plan: PlanFacts | None = None
    create: CreateFacts | None = None
    load: LoadFacts | None = None
    finalize: FinalizeFacts | None = None
    verify: VerifyFacts | None = None
    promote: PromoteFacts | None = None

    @property
    def source(self) -> SourceFacts:
        """Facts of the source from the latest stage that read it."""
        return self.plan or self.check or SourceFacts()

    @property
    def seconds(self) -> dict[str, float]:
        """Duration of each finished stage, in order."""
        ended = {name: facts.seconds for name in STAGE_FACTS if (facts := getattr(self, name)) is not None}
        return {name: seconds for name, seconds in ended.items() if seconds is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Mapping[str, Any]]) -> RecordedStages:
        """Read the facts under ``stages`` of a build record.

        A missing fact raises `TypeError`.
        """
        found: dict[str, Any] = {
            name: facts.from_json(document[name]) for name, facts in STAGE_FACTS.items() if name in document
        }
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """Return the facts of the finished stages, by name."""
        found = {name: getattr(self, name) for name in STAGE_FACTS}
        return {name: facts.to_json() for name, facts in found.items() if facts is not None}


STAGE_FACTS: dict[str, type[StageFacts]] = {
    "check": CheckFacts,
    "plan": PlanFacts,
    "create": CreateFacts,
    "load": LoadFacts,
    "finalize": FinalizeFacts,
    "verify": VerifyFacts,
    "promote": PromoteFacts,
}
"""Stages in their order, with the type of their facts."""
