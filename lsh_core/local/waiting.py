"""Parts of the stack start at the same time; this waits until each says that it is ready."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from lsh_core.errors import StackError

logger = logging.getLogger("lsh_core.local")

POLL_SECONDS = 0.2
SAY_SECONDS = 2.0
SAY_AGAIN_SECONDS = 10.0


class Part(Protocol):
    """Something that is launched and becomes ready by itself."""

    name: str
    start_seconds: float

    def waiting_for(self) -> str | None:
        """Return what it is still waiting for, None once it is ready.

        Raises
        ------
        StackError
            When it cannot become ready any more.
        """

    def log_tail(self) -> str:
        """Return the last lines of its log."""


def wait_until_ready(parts: Sequence[Part]) -> None:
    """Return when all `parts` are ready; whoever takes longer than two seconds is named in the log.

    Raises
    ------
    StackError
        When one cannot become ready, or is not within its ``start_seconds``.
    """
    started = time.monotonic()
    said = {part.name: started + SAY_SECONDS - SAY_AGAIN_SECONDS for part in parts}
    pending = list(parts)
    while pending:
        for part in list(pending):
            missing = part.waiting_for()
            now = time.monotonic()
            if missing is None:
                logger.info("%s is ready after %.1f s", part.name, now - started)
                pending.remove(part)
            elif now - started > part.start_seconds:
                raise StackError(
                    part.name,
                    f"not ready after {part.start_seconds:.0f} s: still waiting for {missing}",
                    part.log_tail(),
                    "The machine may be busy: try again, or look into the log.",
                )
            elif now - said[part.name] >= SAY_AGAIN_SECONDS:
                said[part.name] = now
                logger.info("%s: waiting for %s (%.0f s)", part.name, missing, now - started)
        if pending:
            time.sleep(POLL_SECONDS)
