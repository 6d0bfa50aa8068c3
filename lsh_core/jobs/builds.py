"""Builds: list, show, promote, roll back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lsh_core.builds.alias_moves import AliasMove, AliasMoves
from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import BuildRecord, BuildRecords, BuildState, unknown_name
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import NotFoundError, PromotionConflictError
from lsh_core.jobs.promotion import make_live
from lsh_core.jobs.services import Services
from lsh_core.json_form import JsonForm
from lsh_core.settings import PromoteSettings, RollbackSettings

_LEASE_SECONDS = 5.0
"""Seconds to wait for the lease. A writer that repairs the fence of a dead promotion holds it for a moment."""


@dataclass(frozen=True, kw_only=True)
class BuildSummary(JsonForm):
    """Build in a list of builds.

    Attributes
    ----------
    live
        Whether its index is live.
    documents
        Documents of its index; None before verification.
    """

    name: str
    build: str
    index: str
    state: BuildState
    live: bool
    model_id: str
    documents: int | None
    started_at: str
    finished_at: str | None


@dataclass(frozen=True)
class BuildDetails:
    """Record of a build without its plan, and the files that the plan reads."""

    summary: BuildSummary
    record: BuildRecord
    source_files: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return all parts as one flat JSON object."""
        recorded = self.record.to_document()
        del recorded["plan"]
        return {**self.summary.to_json(), **recorded, "source_files": list(self.source_files)}


@errors_named()
def list_builds(name: str | None, services: Services) -> list[BuildSummary]:
    """Return the builds of `name`, or of every name, newest first.

    Raises
    ------
    NotFoundError
        There is no build of `name`.

    Examples
    --------
    >>> from lsh_core import find_services, list_builds
    >>> services = find_services("http://127.0.0.1:9200")
    >>> len(list_builds("packages", services)) > 0
    True
    """
    cluster = services.cluster
    records = BuildRecords(cluster).of(name)
    if name is not None and not records:
        raise unknown_name(name)
    live = {each: live_index(cluster, each) for each in {record.name for record in records}}
    return [_summary(record, live[record.name]) for record in records]


@errors_named()
def live_build(name: str, services: Services) -> str:
    """Return the live build of `name`; raise `NotFoundError` if there is none."""
    build = next((each.build for each in list_builds(name, services) if each.live), None)
    if build is None:
        raise NotFoundError("live build of", name, f"`airlsh builds list {name}` shows all")
    return build


@errors_named()
def show_build(name: str, build: str | None, services: Services) -> BuildDetails:
    """Return the record of `build`; default: the live build.

    Examples
    --------
    >>> from lsh_core import find_services, show_build
    >>> services = find_services("http://127.0.0.1:9200")
    >>> live = show_build("packages", None, services)
    """
    cluster = services.cluster
    live = live_index(cluster, name)
    build = live_build(name, services) if build is None else build
    record = BuildRecords(cluster).get(name, build)
    return BuildDetails(_summary(record, live), record, record.source_files)


@errors_named()
def promote_build(settings: PromoteSettings, services: Services) -> AliasMove:
    """Move the alias of a name to a verified build.

    Examples
    --------
    >>> from lsh_core import PromoteSettings, find_services, promote
    >>> services = find_services("http://127.0.0.1:9200")
    >>> moved = promote(PromoteSettings(name="packages", build="20261120t225340-1f0c3a"), services)
    """
    return _move(settings, services, lambda _live: settings.build)


@errors_named()
def rollback(settings: RollbackSettings, services: Services) -> AliasMove:
    """Move the alias back to an earlier build.

    The default is the build that was live last. A cleared Airflow run returns the same answer and does not move the
    alias again.

    Raises
    ------
    NotFoundError
        There is no earlier build to return to.
    PromotionConflictError
        The alias was moved meanwhile, or the build is not fit to be live.

    Examples
    --------
    >>> from lsh_core import RollbackSettings, find_services, rollback
    >>> services = find_services("http://127.0.0.1:9200")
    >>> moved = rollback(RollbackSettings(name="packages"), services)
    """
    cluster = services.cluster

    def choose(live: str | None) -> str:
        return settings.build or _build_before(cluster, settings.name, live)

    return _move(settings, services, choose)


def _move(
    settings: PromoteSettings | RollbackSettings, services: Services, choose: Callable[[str | None], str]
) -> AliasMove:
    """Decide on a move once per run, and carry it out.

    The alias moves only from the index that was live at the decision.
    """
    cluster = services.cluster
    moves, name, id = AliasMoves(cluster), settings.name, services.caller.id
    move = moves.find(name, id) if id else None
    if move is None:
        live = live_index(cluster, name)
        move = AliasMove(name, choose(live), live)
        if id:
            moves.write(id, move)
    if move.is_done:
        _require_there(cluster, name, move)
    else:
        seconds = settings.wait_green_seconds if settings.wait_green else None
        live = make_live(
            name,
            move.build,
            services,
            expected=move.previous_index,
            green_seconds=seconds,
            lease_seconds=_LEASE_SECONDS,
        )
        move = replace(move, live=live)
        if id:
            moves.write(id, move)
    return move


def _require_there(cluster: Cluster, name: str, move: AliasMove) -> None:
    """Raise `PromotionConflictError` if the alias has left the target of this run's move."""
    live = live_index(cluster, name)
    if live != move.live:
        raise PromotionConflictError(
            name,
            f"this run moved it to {move.live}, and it was moved again since: {live or 'nothing'} is live now; "
            "to move it again, start a new run",
        )


def _build_before(cluster: Cluster, name: str, live: str | None) -> str:
    records = BuildRecords(cluster).of(name)
    if not records:
        raise unknown_name(name)
    demoted = [record for record in records if record.demoted_at and record.index != live and record.was_verified]
    if not demoted:
        raise NotFoundError("earlier build of", name, "no build was live before the present one")
    return max(demoted, key=lambda record: str(record.demoted_at)).build


def _summary(record: BuildRecord, live: str | None) -> BuildSummary:
    verified = record.stages.verify
    return BuildSummary(
        name=record.name,
        build=record.build,
        index=record.index,
        state=record.state,
        live=record.index == live,
        model_id=record.model_id,
        documents=None if verified is None else verified.documents,
        started_at=record.started_at,
        finished_at=record.finished_at,
    )
