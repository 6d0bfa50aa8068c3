"""Shutdown of a stack: ends its processes and removes its container."""

from __future__ import annotations

from lsh_core.local.container import remove_container
from lsh_core.local.process import stop_all
from lsh_core.local.state import StackState

STOP_SECONDS = 20.0


def end_parts(state: StackState) -> list[str]:
    """End all processes of a stack; return the names of its parts that were still running.

    Raises
    ------
    StackError
        Its container cannot be removed; the processes have ended.
    """
    alive = [name for name, leader in state.leaders.items() if leader.process()]
    stop_all(state.marker, list(state.leaders.values()), grace_seconds=STOP_SECONDS)
    if state.container and remove_container(state.container):
        alive.append("elasticsearch")
    return alive
