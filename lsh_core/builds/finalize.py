"""Finalizes a loaded index: restores the refresh interval, merges segments and adds replicas."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from lsh_core.elastic.cluster import Cluster
from lsh_core.errors import UnavailableError, VerificationError
from lsh_core.signals import raise_if_signalled

logger = logging.getLogger(__name__)

_MAX_MERGE_SECONDS = 6 * 3600
_LINE_SECONDS = 10.0
_JSON = {"accept": "application/json"}
_LOST_SECONDS = 30.0
"""Time after which the outcome of a merge counts as lost if it cannot be read."""


def finalize_index(cluster: Cluster, index: str, *, replicas: int) -> None:
    """Restore the default refresh interval, read it back, refresh, and merge.

    A write with ``refresh=wait_for`` would hang on an index whose refresh interval is still -1.

    Raises
    ------
    VerificationError
        The settings that were read back differ from the settings that were written.
    PartialAnswerError
        A shard did not take part in the refresh or the merge.
    """
    cluster.run(
        lambda client: client.indices.put_settings(
            index=index, settings={"index.refresh_interval": None, "index.number_of_replicas": replicas}
        )
    )
    found = cluster.run(lambda client: client.indices.get_settings(index=index, flat_settings=True))
    settings = found[index]["settings"]
    if "index.refresh_interval" in settings:
        raise VerificationError(index, "refresh interval", "the default", settings["index.refresh_interval"])
    cluster.refresh(index)
    _merge(cluster, index)
    cluster.refresh(index)


def _merge(cluster: Cluster, index: str) -> None:
    """Merge every shard to one segment.

    The merge runs as a server task that is polled, so no connection stays open during the whole merge.
    """
    started = said = time.monotonic()
    task = cluster.run(
        lambda client: client.indices.forcemerge(index=index, max_num_segments=1, wait_for_completion=False)
    )["task"]
    pause = 0.05
    outcome = _Outcome(cluster, task)
    while not (state := outcome.read())["completed"]:
        now = time.monotonic()
        if now - started > _MAX_MERGE_SECONDS:
            raise UnavailableError(f"merging {index}", now - started, "still merging")
        if now - said > _LINE_SECONDS:
            said = now
            logger.info("finalize: merging %s for %.0f s", index, now - started)
        raise_if_signalled()
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)
    if "error" in state:
        raise VerificationError(index, "merge", "done", state["error"].get("reason"))
    response = state.get("response")
    # The task has ended. If its outcome was not kept, a second merge, which has nothing to do, reports failures.
    if response is None:
        response = cluster.run(
            lambda client: client.indices.forcemerge(index=index, max_num_segments=1),
            longest_seconds=_MAX_MERGE_SECONDS,
        ).body
    cluster.require_primaries("merge", index, response)


class _Outcome:
    """State of a server task; only its end if the server lost the outcome.

    The server keeps outcomes in the index ``.tasks``, which an index template of the cluster may break. Then the server
    answers 503 every time. It also answers 503 while a shard or the master moves, and the task may still be running.
    """

    def __init__(self, cluster: Cluster, task: str) -> None:
        self._cluster, self._task = cluster, task
        self._unread_since: float | None = None

    def read(self) -> dict[str, Any]:
        state = self._cluster.run(partial(_state, task=self._task))
        if state is not None:
            self._unread_since = None
            return state
        now = time.monotonic()
        since = self._unread_since = self._unread_since or now
        return {"completed": now - since >= _LOST_SECONDS}


def _state(client: Elasticsearch, *, task: str) -> dict[str, Any] | None:
    """Return the state of a task; None if it cannot be read now."""
    try:
        # Not `client.tasks.get`: it warns on each call that the task API may change.
        return dict(client.perform_request("GET", f"/_tasks/{task}", headers=_JSON).body)
    except ApiError as error:
        if error.status_code not in (404, 503):
            raise
        return {"completed": True} if error.status_code == 404 else None
