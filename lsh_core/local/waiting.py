"""Waits for the parts of a stack, which start concurrently."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from lsh_core.errors import StackError
from lsh_core.local.ports import PortReservation
from lsh_core.local.process import Identity

logger = logging.getLogger("lsh_core.local")

POLL_SECONDS = 0.2
SAY_SECONDS = 2.0
SAY_AGAIN_SECONDS = 10.0


class Part(Protocol):
    """Part of a stack that is launched and becomes ready."""

    name: str
    start_seconds: float

    def waiting_for(self) -> str | None:
        """Return the reason why the part is not ready, or None.

        Raises
        ------
        StackError
            The part cannot become ready any more.
        """

    def log_tail(self) -> str:
        """Return the last lines of the log."""


class StartablePart(ABC):
    """`Part` that can be started alone, as a context manager.

    Parameters
    ----------
    reservation
        Reserves its ports while it starts; the caller closes it.
    """

    name: str
    start_seconds: float

    def __init__(self, reservation: PortReservation | None = None) -> None:
        self._reservation = reservation or PortReservation()

    @property
    @abstractmethod
    def leaders(self) -> Mapping[str, Identity]:
        """Launched processes, by name."""

    def start(self) -> Self:
        """Start the part, and return when it is ready.

        Raises
        ------
        StackError
            The part cannot be started; all of its processes are stopped.
        """
        try:
            with self._reservation:
                self.prepare()
                self.launch()
                wait_until_ready([self])
        except BaseException:
            self.stop()
            raise
        return self

    @abstractmethod
    def prepare(self) -> None:
        """Find everything that the part needs, and pick its ports, before any start."""

    @abstractmethod
    def launch(self) -> None:
        """Launch the part, without waiting until it is ready."""

    @abstractmethod
    def waiting_for(self) -> str | None:
        """See :class:`Part`."""

    @abstractmethod
    def log_tail(self) -> str:
        """See :class:`Part`."""

    @abstractmethod
    def stop(self) -> None:
        """End all started processes."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until_ready(parts: Sequence[Part]) -> None:
    """Wait until all `parts` are ready.

    The log names parts that take longer than two seconds.

    Raises
    ------
    StackError
        A part cannot become ready, or is not ready within its ``start_seconds``.
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
