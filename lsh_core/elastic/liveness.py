"""Liveness check: pings a node while it works on a long request.

If a copy of a shard is on a hung node, the server holds writes to the shard, at whichever node they arrived, until the
master has dropped the hung node (some 30 s). So a long wait says nothing about the node that received the request, and
a time-out that is short enough to detect a hung node would declare healthy nodes dead as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from elasticsearch import ApiError, Elasticsearch, TransportError

from lsh_core.errors import ServerError

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
"""Seconds before the first ping of a waiting request, and between pings."""
PING_SECONDS = 4.0
MAX_SECONDS = 120.0
"""Time-out of a request whose node answers pings. It is longer than any server holds a write."""

_PING = "/_cluster/health?local=true&filter_path=status"


class SilentNodeError(Exception):
    """The node answered neither a request nor a ping meanwhile.

    The request may still be executed.
    """


def call_with_liveness_check(
    client: Elasticsearch,
    action: Callable[[Elasticsearch], T],
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    ping_seconds: float = PING_SECONDS,
    longest_seconds: float | None = MAX_SECONDS,
) -> T:
    """Run `action` on one node for as long as the node answers pings.

    `action` runs on its own thread. If the node is silent, the thread is abandoned: it ends with the time-out of its
    request, or when the node wakes.

    Parameters
    ----------
    longest_seconds
        Time-out of the requests of `action`; None: as `client` has it.

    Raises
    ------
    SilentNodeError
        The node answers neither the request nor a ping.
    """
    patient = client if longest_seconds is None else client.options(request_timeout=longest_seconds)
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(action(patient))
        except BaseException as error:
            result.set_exception(error)

    started = time.monotonic()
    threading.Thread(target=run, name="watched-request", daemon=True).start()
    while not wait([result], patience_seconds).done:
        if not is_alive(client, ping_seconds) and not result.done():
            raise SilentNodeError(f"no answer for {time.monotonic() - started:.0f} s, and none to a ping")
    return result.result()


def is_alive(client: Elasticsearch, seconds: float = PING_SECONDS) -> bool:
    """Return whether the node of `client` gives any answer within `seconds`."""
    try:
        client.options(request_timeout=seconds).perform_request("GET", _PING, headers={"accept": "application/json"})
    except (ApiError, ServerError):
        return True
    except TransportError:
        return False
    return True
