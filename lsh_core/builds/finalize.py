"""From an index that was loaded to one that is served: normal refresh, one segment a shard, all copies asked for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from lsh_core.elastic.cluster import refresh, require_primaries
from lsh_core.errors import UnavailableError, VerificationError
from lsh_core.signals import raise_if_signalled

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

logger = logging.getLogger(__name__)

_LONGEST_MERGE_SECONDS = 6 * 3600
_LINE_SECONDS = 10.0
_JSON = {"accept": "application/json"}
_LOST_SECONDS = 30.0
"""Time after which the outcome of a merge that cannot be read counts as lost."""


def finalize_index(client: Elasticsearch, index: str, *, replicas: int) -> None:
    """Put the refresh interval back to the server's default, read it back, refresh, and merge.

    ``wait_for`` on an index that still has a refresh interval of -1 would hang every writer.

    Raises
    ------
    VerificationError
        The settings read back are not the ones that were put.
    PartialAnswerError
        A shard did not take part.
    """
    client.indices.put_settings(
        index=index, settings={"index.refresh_interval": None, "index.number_of_replicas": replicas}
    )
    settings = client.indices.get_settings(index=index, flat_settings=True)[index]["settings"]
    if "index.refresh_interval" in settings:
        raise VerificationError(index, "refresh interval", "the default", settings["index.refresh_interval"])
    refresh(client, index)
    _merge(client, index)
    refresh(client, index)


def _merge(client: Elasticsearch, index: str) -> None:
    """Merge to one segment a shard; polled, so that no connection has to stay open for the whole merge."""
    started = said = time.monotonic()
    task = client.indices.forcemerge(index=index, max_num_segments=1, wait_for_completion=False)["task"]
    pause = 0.05
    outcome = _Outcome(client, task)
    while not (state := outcome.read())["completed"]:
        now = time.monotonic()
        if now - started > _LONGEST_MERGE_SECONDS:
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
    if response is None:  # It ended; where its outcome is not kept, a second merge, of nothing, tells.
        patient = client.options(request_timeout=_LONGEST_MERGE_SECONDS)
        response = patient.indices.forcemerge(index=index, max_num_segments=1).body
    require_primaries(client, "merge", index, response)


class _Outcome:
    """The state of a task; only that it has ended, where the server could not keep or read its outcome.

    The server keeps outcomes in the index ``.tasks``, which an index template of the cluster may spoil as well. It
    answers 503 then, each time, and for a moment where a shard or the master moves: the task may still be at work.
    """

    def __init__(self, client: Elasticsearch, task: str) -> None:
        self._client, self._task = client, task
        self._unread_since: float | None = None

    def read(self) -> dict[str, Any]:
        from elasticsearch import ApiError

        try:
            # Not `client.tasks.get`: it warns, on each call, that the task API may change.
            state = dict(self._client.perform_request("GET", f"/_tasks/{self._task}", headers=_JSON).body)
        except ApiError as error:
            if error.status_code not in (404, 503):
                raise
            now = time.monotonic()
            since = self._unread_since = self._unread_since or now
            return {"completed": error.status_code == 404 or now - since >= _LOST_SECONDS}
        self._unread_since = None
        return state
