"""Requests that may take long, on nodes that may hang: while one waits, its node is asked whether it lives.

A write to a shard with a copy on a node that hangs is held by the server, at whichever node it is, until the
master has dropped that node (some 30 s). So a request that waits says nothing about the node that it was sent to, and
a time-out that is short enough to notice a node that hangs would take the healthy ones for dead as well.
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
"""How long a request may take before its node is asked, and between one question and the next."""
PING_SECONDS = 4.0
MAX_SECONDS = 120.0
"""Longer than any server holds a write: the time-out of a request whose node goes on to say that it lives."""

_PING = "/_cluster/health?local=true&filter_path=status"


class SilentNodeError(Exception):
    """A node answered neither a request nor, meanwhile, a ping. The request may still be executed."""


def call_with_liveness_check(
    client: Elasticsearch,
    action: Callable[[Elasticsearch], T],
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    ping_seconds: float = PING_SECONDS,
    longest_seconds: float = MAX_SECONDS,
) -> T:
    """Run `action` on one node for as long as the node answers pings.

    `action` runs on a thread of its own, which is left to itself when the node is silent: it ends with its
    request's time-out, or when the node goes on.

    Raises
    ------
    SilentNodeError
        The node does not answer a ping either.
    """
    patient = client.options(request_timeout=longest_seconds)
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
    """Return whether the node of `client` says anything at all within `seconds`."""
    try:
        client.options(request_timeout=seconds).perform_request("GET", _PING, headers={"accept": "application/json"})
    except (ApiError, ServerError):
        return True
    except TransportError:
        return False
    return True
