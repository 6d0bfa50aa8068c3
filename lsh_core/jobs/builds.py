"""Builds: list, show, promote, roll back, retire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.cluster import answering_client
from lsh_core.errors import NotFoundError, PromotionConflictError
from lsh_core.indexing.aliases import live_index
from lsh_core.indexing.dead_letters import DeadLetter, read_dead_letters
from lsh_core.indexing.forgetting import forget_build, forget_expired_letters
from lsh_core.indexing.mapping import META_KEY
from lsh_core.indexing.runs import VERIFIED, RunStore
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.promote import make_live
from lsh_core.settings import RetireSettings, RollbackSettings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def list_builds(name: str, services: Services) -> list[dict[str, Any]]:
    """Return the builds of `name`, newest first.

    Each as ``build, index, state, live, model_id, documents, started_at, finished_at``.
    """
    client = answering_client(services.connection)
    live = live_index(client, name)
    return [_row(record, live) for record in RunStore(client).of(name)]


def show_build(name: str, build: str | None, services: Services) -> dict[str, Any]:
    """Return all that is recorded of `build`; default: the live one."""
    client = answering_client(services.connection)
    live = live_index(client, name)
    if build is None:
        build = next((row["build"] for row in list_builds(name, services) if row["live"]), None)
        if build is None:
            raise NotFoundError("live build of", name, f"`airlsh builds list {name}` shows all")
    record = RunStore(client).get(name, build)
    plan = record.pop("plan", {})
    return {**_row(record, live), **record, "source_files": [file["url"] for file in plan.get("files", [])]}


def promote_build(name: str, build: str, services: Services) -> dict[str, Any]:
    """Move the alias to a verified build."""
    before = live_index(answering_client(services.connection), name)
    return {"alias": name, "build": build, "was": before, "live": make_live(name, build, services)}


def rollback(settings: RollbackSettings, services: Services) -> dict[str, Any]:
    """Move the alias back: to the build named, or to the one that was live last.

    Raises
    ------
    NotFoundError
        There is no earlier build to go back to.
    """
    client = answering_client(services.connection)
    live = live_index(client, settings.name)
    build = settings.build
    if build is None:
        demoted = [
            record
            for record in RunStore(client).of(settings.name)
            if record.get("demoted_at") and record["index"] != live and record["state"] == VERIFIED
        ]
        if not demoted:
            raise NotFoundError("earlier build of", settings.name, "no build was live before the present one")
        build = str(max(demoted, key=lambda record: str(record["demoted_at"]))["build"])
    return {"alias": settings.name, "build": build, "was": live, "live": make_live(settings.name, build, services)}


def retire(settings: RetireSettings, services: Services) -> dict[str, Any]:
    """Delete builds that are neither live, nor among the newest verified, nor live a short while ago.

    Builds whose run has not ended are left alone, and so are all models.

    Returns
    -------
    dict
        ``retired`` and ``kept``, lists of build ids.
    """
    client = answering_client(services.connection)
    runs = RunStore(client)
    records = runs.of(settings.name)
    live = live_index(client, settings.name)
    newest = [record["build"] for record in records if record["state"] == VERIFIED and record["index"] != live]
    spared = set(newest[: settings.keep])
    since = datetime.now(UTC) - timedelta(seconds=settings.grace_seconds)
    retired, kept = [], []
    for record in records:
        build, index = record["build"], record["index"]
        recent = any(_moment(record.get(key)) > since for key in ("demoted_at", "finished_at"))
        ended = bool(record.get("finished_at"))
        if index == live or build in spared or recent or not ended:
            kept.append(build)
            continue
        if live_index(client, settings.name) == index:
            raise PromotionConflictError(settings.name, f"{index} became live while it was to be retired")
        _delete_own(client, settings.name, index)
        forget_build(client, build)
        runs.forget(build)
        retired.append(build)
    forget_expired_letters(client)
    return {"name": settings.name, "retired": retired, "kept": kept}


def build_dead_letters(name: str, build: str | None, services: Services) -> list[DeadLetter]:
    """Return the dead letters of `build`, in source order; default: the latest build of `name`."""
    client = answering_client(services.connection)
    runs = RunStore(client)
    if build is None:
        records = runs.of(name)
        if not records:
            raise NotFoundError("build of", name, "nothing was indexed under this name")
        build = str(records[0]["build"])
    else:
        runs.get(name, build)
    return list(read_dead_letters(client, build))


def _row(record: Mapping[str, Any], live: str | None) -> dict[str, Any]:
    verified = record.get("stages", {}).get("verify", {})
    return {
        "build": record["build"],
        "index": record["index"],
        "state": record["state"],
        "live": record["index"] == live,
        "model_id": record["model_id"],
        "documents": verified.get("documents"),
        "started_at": record["started_at"],
        "finished_at": record.get("finished_at"),
    }


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _delete_own(client: Elasticsearch, name: str, index: str) -> None:
    """Delete `index` if its ``_meta`` says that it is a build of `name`; never by pattern."""
    from elasticsearch import NotFoundError as Missing

    try:
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    except Missing:
        return
    if mapping.get("_meta", {}).get(META_KEY, {}).get("name") != name:
        raise PromotionConflictError(name, f"{index} does not say that it is a build of {name}; it is left alone")
    client.indices.delete(index=index)
