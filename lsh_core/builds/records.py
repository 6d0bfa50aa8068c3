"""Records of builds, one document per build.

A record holds the settings, the plan, the state and the facts of the stages.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, Self

from elasticsearch import ConflictError, Elasticsearch
from elasticsearch import NotFoundError as Missing

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition, SourceWatermark
from lsh_core.builds.stage_facts import RecordedStages, RowAccounts, StageFacts
from lsh_core.elastic.bulk_requests import SERVER_TIMEOUT
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.sorted_hits import sorted_hits
from lsh_core.elastic.system_indices import RUNS, ensure_system_index
from lsh_core.elastic.text_values import is_document_id
from lsh_core.errors import NotFoundError, SettingsError
from lsh_core.json_form import plain

RECORD_FORMAT = 1
"""Format of the documents; a record of another format is refused."""

_PAGE = 1000


class BuildState(StrEnum):
    """State of a build."""

    PLANNED = "planned"
    LOADING = "loading"
    LOADED = "loaded"
    VERIFIED = "verified"
    CORRECTED = "corrected"
    """Verified once; rows were loaded since, so the build must be verified again."""
    FAILED = "failed"

    @property
    def was_verified(self) -> bool:
        """True if the build was verified once and has not failed verification since."""
        return self in (BuildState.VERIFIED, BuildState.CORRECTED)


@dataclass(frozen=True, kw_only=True)
class BuildEntry:
    """Record of one build, without its plan.

    Attributes
    ----------
    state
        State of the build.
    settings
        Settings of its run, as `IndexSettings` dumps them.
    expected_live
        Index that was live when the run first started. Promotion moves the alias from this index only.
    watermark
        Live changes that the source contains.
    source_version
        Version of the table that the run reads; None for plain files.
    planned_at
        End of the journal before the files were listed.
    replayed_to
        Position up to which the journal was replayed into the build.
    stages
        Facts of the stages that have ended.
    recall_curve, evaluation, report
        JSON forms of `RecallCurve`, `EvaluationReport` and `IndexReport`.
    error
        Message of the failure; None after a stage that succeeded.
    """

    name: str
    build: str
    index: str
    state: BuildState
    model_id: str
    started_at: str
    updated_at: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    expected_live: str | None = None
    watermark: SourceWatermark = field(default_factory=SourceWatermark)
    source_version: str | None = None
    finished_at: str | None = None
    promoted_at: str | None = None
    demoted_at: str | None = None
    planned_at: JournalPosition = BEFORE_ALL
    replayed_to: JournalPosition = BEFORE_ALL
    stages: RecordedStages = field(default_factory=RecordedStages)
    recall_curve: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    error: str | None = None

    @property
    def was_verified(self) -> bool:
        """True if the build was verified once and has not failed verification since."""
        return self.state.was_verified

    @property
    def last_touched(self) -> datetime:
        """Moment of the latest event of the build."""
        moments = (self.started_at, self.updated_at, self.finished_at, self.demoted_at)
        return max(datetime.fromisoformat(moment) for moment in moments if moment)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a stored record.

        Raises
        ------
        SettingsError
            Another version of airlsh wrote the record.
        """
        try:
            if document.get("format") != RECORD_FORMAT:
                raise TypeError(f"format {document.get('format')}, expected {RECORD_FORMAT}")  # noqa: TRY301
            own = {each.name: document[each.name] for each in fields(cls) if each.name in document}
            own["state"] = BuildState(own["state"])
            own["watermark"] = SourceWatermark(**own.get("watermark") or {})
            own["stages"] = RecordedStages.from_json(own.get("stages") or {})
            return cls(**own)
        except (KeyError, TypeError, ValueError) as error:
            build = document.get("build")
            reason = f"another version of airlsh wrote its record ({error}): delete index {document.get('index')}"
            remedy = f"and document {build} of {RUNS}, and index the source again"
            raise SettingsError("build", build, f"{reason} {remedy}") from error

    def to_document(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        own = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        return {"format": RECORD_FORMAT, **own, "stages": self.stages.to_json()}


@dataclass(frozen=True, kw_only=True)
class BuildRecord(BuildEntry):
    """Record of one build.

    Attributes
    ----------
    plan
        Plan as `BuildPlan` stores it; None before planning.
    """

    plan: Mapping[str, Any] | None = None

    @property
    def source_files(self) -> list[str]:
        """URLs of the files that the plan reads; empty before there is a plan."""
        return [] if self.plan is None else [file["url"] for file in self.plan["files"]]


class BuildRecords:
    """Build records in ``airlsh-runs``, one document per build."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        ensure_system_index(cluster, RUNS)

    def start(
        self,
        name: str,
        build: str,
        *,
        index: str,
        model_id: str,
        state: BuildState = BuildState.PLANNED,
        settings: Mapping[str, Any] | None = None,
        expected_live: str | None = None,
        watermark: SourceWatermark | None = None,
        source_version: str | None = None,
    ) -> None:
        """Record a build when its run starts.

        A retry of the run keeps what the first start recorded: `expected_live`, `watermark`, the version of the source,
        and the state of a build that was verified.
        """
        again = {
            "format": RECORD_FORMAT,
            "index": index,
            "model_id": model_id,
            "settings": dict(settings or {}),
            "error": None,
            "finished_at": None,
        }
        first = {
            "name": name,
            "build": build,
            "started_at": now(),
            "state": state.value,
            "expected_live": expected_live,
            "watermark": plain(watermark or SourceWatermark()),
            "source_version": source_version,
        }
        new = {**first, **again, "updated_at": now()}
        try:
            self._cluster.run(lambda client: client.index(index=RUNS, id=build, document=new, op_type="create"))
        except ConflictError:
            self._rewrite(build, lambda found: {**again, **_unverified(found, state)})

    def record_state(self, build: str, state: BuildState) -> None:
        """Record a state."""
        self._set(build, state=state.value)

    def advance(self, build: str, state: BuildState) -> None:
        """Record the new state of a build, unless the build was verified before.

        A repeated run changes nothing in a verified build. Only loading more rows, or a failed verification, writes
        another state.
        """
        self._rewrite(build, lambda found: _unverified(found, state))

    def record_corrected(self, build: str) -> None:
        """Record that rows are loaded into the build, if it was verified before."""
        state = {"state": BuildState.CORRECTED.value}
        self._rewrite(build, lambda found: state if BuildState(found["state"]).was_verified else {})

    def record_plan(self, build: str, plan: Mapping[str, Any], planned_at: JournalPosition) -> None:
        """Record the plan, and the end of the journal just before the source was listed."""
        self._set(build, plan=plan, planned_at=planned_at)

    def record_stage(self, build: str, stage: str, facts: StageFacts) -> None:
        """Record the facts of a finished stage, and clear an earlier failure."""
        self._set_stage(build, stage, facts.to_json(), error=None)

    def record_accounts(self, build: str, accounts: RowAccounts) -> None:
        """Record the row accounts before they are checked.

        So the report of a failed verification contains them, and nothing of an earlier verification.
        """
        self._set_stage(build, "verify", accounts.to_json())

    def record_verified(self, build: str, recall_curve: Mapping[str, Any] | None) -> None:
        """Record that the build is verified, with its recall curve."""
        self._set(build, state=BuildState.VERIFIED.value, recall_curve=recall_curve)

    def record_failure(self, build: str, error: str, *, keep_verified: bool) -> None:
        """Record the error that ended a run.

        The state becomes failed, except that with `keep_verified` a build that was verified keeps its state.
        """
        ended = {"error": error, "finished_at": now()}
        state = BuildState.FAILED
        self._rewrite(
            build,
            lambda found: {**ended, **(_unverified(found, state) if keep_verified else {"state": state.value})},
        )

    def record_replay(self, build: str, position: JournalPosition) -> None:
        """Record the position up to which the journal was replayed into the build."""
        self._set(build, replayed_to=position)

    def record_promotion(self, build: str) -> None:
        """Record that the build has become live."""
        self._set(build, promoted_at=now())

    def record_demotion(self, build: str) -> None:
        """Record that the build is no longer live."""
        self._set(build, demoted_at=now())

    def record_report(self, build: str, report: Mapping[str, Any]) -> None:
        """Record the report of a run that has ended."""
        self._set(build, report=report, finished_at=now())

    def record_evaluation(self, build: str, evaluation: Mapping[str, Any]) -> None:
        """Record an evaluation."""
        self._set(build, evaluation=evaluation)

    def find(self, name: str, build: str, *, as_acknowledged: bool = False) -> BuildRecord | None:
        """Return the record of `build`, or None if `name` has no such build.

        Parameters
        ----------
        as_acknowledged
            Whether to read the record by a write. A node that rejoins after a network split may serve an old state,
            but cannot acknowledge a write.

        Raises
        ------
        SettingsError
            Another version of airlsh wrote the record.
        """
        if not is_document_id(build):
            return None
        try:
            document = self._touched(build) if as_acknowledged else self._read(build)
        except Missing:
            return None
        # Alias moves and watermarks are stored in the same index, without a name.
        return BuildRecord.from_document(document) if document.get("name") == name else None

    def get(self, name: str, build: str, *, as_acknowledged: bool = False) -> BuildRecord:
        """Return the record of `build`; raise `NotFoundError` if it is missing.

        See `find`.
        """
        record = self.find(name, build, as_acknowledged=as_acknowledged)
        if record is None:
            raise NotFoundError("build", build, f"`airlsh builds list {name}` shows those of {name}")
        return record

    def of(self, name: str | None) -> list[BuildEntry]:
        """Return the records of all builds of `name`, newest first.

        None as `name` means every index name.

        Raises
        ------
        SettingsError
            Another version of airlsh wrote one of the records.
        """
        self._cluster.run(lambda client: client.indices.refresh(index=RUNS))
        # Alias moves and watermarks are stored in the same index; only builds have a state.
        query = {"term": {"name": name}} if name is not None else {"exists": {"field": "state"}}
        sort = [{"started_at": "desc"}, {"build": "asc"}]
        hits = sorted_hits(self._cluster, RUNS, query, sort=sort, page=_PAGE, source_excludes=["plan"])
        return [BuildEntry.from_document(hit["_source"]) for hit in hits]

    def latest(self, name: str) -> BuildEntry:
        """Return the record of the newest build of `name`.

        Raises
        ------
        NotFoundError
            There is no build of `name`.
        SettingsError
            Another version of airlsh wrote the record of some build.
        """
        records = self.of(name)
        if not records:
            raise unknown_name(name)
        return records[0]

    def forget(self, build: str) -> None:
        """Delete the record of a retired build."""
        self._cluster.run(lambda client: client.options(ignore_status=404).delete(index=RUNS, id=build, refresh=True))

    def _set(self, build: str, **fields: Any) -> None:
        """Set fields of the record of `build`; nothing of an earlier value remains."""
        self._rewrite(build, lambda _: fields)

    def _set_stage(self, build: str, stage: str, facts: Mapping[str, Any], **fields: Any) -> None:
        self._rewrite(build, lambda found: {**fields, "stages": {**(found.get("stages") or {}), stage: facts}})

    def _rewrite(self, build: str, changes: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Change the record by compare-and-swap, until no other caller wrote in between.

        So a request that a hung node executes late changes nothing: the record has another version by then.

        Parameters
        ----------
        changes
            Returns the changed fields, from the record that they are written into.
        """
        for node in itertools.count():  # A node that rejoins after a network split may serve an old version.
            found = self._cluster.run(lambda client: client.get(index=RUNS, id=build), first=node)
            condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
            document = {**found["_source"], "updated_at": now(), **changes(found["_source"])}
            write = partial(_write, build=build, document=document, **condition)
            with suppress(ConflictError):
                self._cluster.run(write)
                return

    def _read(self, build: str) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._cluster.run(lambda client: client.get(index=RUNS, id=build))["_source"]
        return document

    def _touched(self, build: str) -> Mapping[str, Any]:
        answer = self._cluster.run(
            lambda client: client.update(
                index=RUNS,
                id=build,
                doc={"updated_at": now()},
                detect_noop=False,
                source=True,
                retry_on_conflict=5,
                timeout=SERVER_TIMEOUT,
            )
        )
        document: Mapping[str, Any] = answer["get"]["_source"]
        return document


def _unverified(found: Mapping[str, Any], state: BuildState) -> dict[str, Any]:
    """Return the change of a record to `state`, which is none if the build was verified."""
    return {} if BuildState(found["state"]).was_verified else {"state": state.value}


def _write(
    client: Elasticsearch, *, build: str, document: Mapping[str, Any], if_seq_no: int, if_primary_term: int
) -> None:
    client.index(index=RUNS, id=build, document=document, if_seq_no=if_seq_no, if_primary_term=if_primary_term)


def unknown_name(name: str) -> NotFoundError:
    """Return the error for a name that has no build."""
    return NotFoundError("build of", name, "nothing was indexed under this name; `airlsh builds list` shows all builds")


def nothing_live(name: str) -> NotFoundError:
    """Return the error for an index name without a live build."""
    return NotFoundError("live index", name, f"build one: airlsh index {name} --source ...")


def now() -> str:
    """Return the current time in its stored form: ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
