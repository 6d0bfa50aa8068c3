"""Complete reads of the journal, whichever node answers.

A node that rejoins after a network split serves stale data for some seconds but cannot acknowledge writes. So
`barrier` writes twice. The first write, the document ``turn``, finds the end of the journal. Once every copy has
reached this end, the second write, the document ``settled``, records it. `read_after_barrier` reads a shard copy only
if its ``settled`` has reached that end. Each index name has one document of each kind; they carry no ``name``, so
queries for changes skip them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from elasticsearch import ApiError, ConflictError, Elasticsearch, NotFoundError, TransportError

from lsh_core.builds.journal_position import BEFORE_ALL, JournalPosition
from lsh_core.builds.records import now
from lsh_core.elastic.bulk_requests import SERVER_TIMEOUT
from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.system_indices import CHANGES
from lsh_core.elastic.whole_answers import require_all_shards
from lsh_core.errors import UnavailableError

_WAIT_SECONDS = 60.0
_READ_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 1.0
_KEEP_ALIVE = "1m"
_CLOSE_SECONDS = 5.0
_LOST = (404, 500)
"""Status codes for a lost copy or node of a point in time.

No other copy replaces it.
"""
_TURN, _PROOF = "turn", "settled"


def barrier(cluster: Cluster, name: str) -> JournalPosition:
    """Return a position after every change that was acknowledged before the call.

    When the function returns, `read_after_barrier` can read up to the position. Positions are assigned before their
    documents become visible. So the function waits for pending writes: otherwise a reader could skip such a change and
    never return to it.

    Raises
    ------
    UnavailableError
        The journal's shard did not answer in time.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    position = cluster.waiting(_WAIT_SECONDS).run(partial(_take_turn, name=name))
    node = 0
    while (reached := cluster.run(_on_every_copy, first=node)) < position:
        if time.monotonic() > deadline:
            reason = f"positions up to {reached} of {position} are on every copy"
            raise UnavailableError("the journal", _WAIT_SECONDS, reason)
        time.sleep(_PAUSE_SECONDS)
        node += 1
    # Any copy that holds the proof was among the copies that hold everything up to `position`.
    cluster.waiting(_WAIT_SECONDS).run(partial(_prove, name=name, position=position))
    return position


def read_after_barrier(cluster: Cluster, name: str, up_to: JournalPosition, **body: Any) -> list[dict[str, Any]]:
    """Search one copy of the journal with every change up to `up_to`; return the hits.

    Each call searches anew: a change that its writer has withdrawn since is not found.

    Parameters
    ----------
    up_to
        A position that `barrier` returned for `name`, at any time, or an earlier position.

    Raises
    ------
    UnavailableError
        No copy that answers holds all these changes.
    """
    deadline, pause = time.monotonic() + _READ_SECONDS, _PAUSE_SECONDS
    search, node = partial(_search, name=name, up_to=up_to, body=body), 0
    while (hits := cluster.run(search, first=node)) is None:
        if time.monotonic() > deadline:
            reason = f"no node reads from a copy that is known to hold all up to position {up_to}"
            raise UnavailableError("the journal", _READ_SECONDS, reason)
        node += 1
        if not node % len(cluster.urls):
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)
    return hits


def _take_turn(client: Elasticsearch, *, name: str) -> JournalPosition:
    answer = client.index(index=CHANGES, id=f"{_TURN}/{name}", document=_mark(_TURN, name), timeout=SERVER_TIMEOUT)
    return JournalPosition(int(answer["_seq_no"]))


def _on_every_copy(client: Elasticsearch) -> JournalPosition:
    """Return a position up to which every copy holds the journal.

    `BEFORE_ALL` means that no such position is known.
    """
    stats = client.indices.stats(index=CHANGES, level="shards", metric="docs")
    shards = stats["indices"].get(CHANGES, {}).get("shards", {}).get("0", ())
    # A copy never overestimates the checkpoint of the others. The value of a copy that was cut off is old, not wrong.
    checkpoints = [int(shard["seq_no"]["global_checkpoint"]) for shard in shards]
    return JournalPosition(max(checkpoints, default=BEFORE_ALL))


def _prove(client: Elasticsearch, *, name: str, position: JournalPosition) -> None:
    """Record on every copy, visible to searches, that every copy holds the journal up to `position`."""
    try:
        client.index(
            index=CHANGES,
            id=f"{_PROOF}/{name}",
            document={**_mark(_PROOF, name), "position": position},
            version=position,
            version_type="external_gte",
            refresh=True,
            timeout=SERVER_TIMEOUT,
        )
    except ConflictError:
        return  # Another caller proves a later position and makes it visible; readers wait for that.


def _mark(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "id": name, "at": now()}


def _search(
    client: Elasticsearch, *, name: str, up_to: JournalPosition, body: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    """Return the hits of a search on one copy, or None if it may lack changes up to `up_to`.

    The journal has one shard, so a point in time belongs to one copy. Its proof and its hits are from the same moment.
    """
    try:
        view = client.open_point_in_time(index=CHANGES, keep_alive=_KEEP_ALIVE)["id"]
    except NotFoundError:
        return None  # This node does not know yet that the journal exists.
    try:
        proof: Sequence[dict[str, Any]] = _hits(
            client,
            view,
            query={"bool": {"filter": [{"term": {"kind": _PROOF}}, {"term": {"id": name}}]}},
            source=False,
            docvalue_fields=["position"],
            size=1,
        )
        if not proof or int(proof[0]["fields"]["position"][0]) < up_to:
            return None
        return _hits(client, view, **body)
    except ApiError as error:
        if error.status_code in _LOST:
            return None
        raise
    finally:
        _close(client, view)


def _hits(client: Elasticsearch, view: str, **body: Any) -> list[dict[str, Any]]:
    answer = client.search(
        pit={"id": view}, allow_partial_search_results=False, track_total_hits=False, seq_no_primary_term=True, **body
    )
    require_all_shards("search", CHANGES, answer.body)
    hits: list[dict[str, Any]] = answer["hits"]["hits"]
    return hits


def _close(client: Elasticsearch, view: str) -> None:
    """Close a point in time; if that fails, it expires by itself."""
    try:
        client.options(request_timeout=_CLOSE_SECONDS).close_point_in_time(id=view)
    except (ApiError, TransportError):
        return
