"""Stops a load early when too many rows are refused."""

from __future__ import annotations

from collections.abc import Callable

from lsh_core.errors import StoppedEarlyError
from lsh_core.settings import IndexSettings


class DeadLetterLimit:
    """Counts rows as their chunks finish, and stops a hopeless load.

    Parameters
    ----------
    rows, dead_lettered
        Rows that earlier tries of the build loaded and refused.
    examples
        Called once, when the limit is exceeded; returns some refused rows for the message.
    """

    def __init__(
        self,
        settings: IndexSettings,
        build: str,
        *,
        rows: int,
        dead_lettered: int,
        examples: Callable[[], tuple[str, ...]],
    ) -> None:
        # A user who allows a number of refused rows must learn whether there are more.
        self._most = max(settings.stop_dead_letters, settings.max_dead_letters)
        self._share, self._build, self._examples = settings.stop_dead_letter_share, build, examples
        self._name = settings.name
        self._counted = (rows, dead_lettered)

    def tell(self, rows: int, dead_lettered: int) -> None:
        """Count a finished chunk."""
        before = self._counted
        self._counted = (before[0] + rows, before[1] + dead_lettered)

    def check(self) -> None:
        """Raise `StoppedEarlyError` if more rows were refused than both limits allow."""
        rows, dead_lettered = self._counted
        if dead_lettered > self._most and dead_lettered > self._share * rows:
            error = StoppedEarlyError(self._build, dead_lettered, self._most, self._examples(), rows)
            raise error.with_note(all_dead_letters(self._name, self._build))


def all_dead_letters(name: str, build: str) -> str:
    """Return the note that names the command that lists all dead letters of a build."""
    return f"To list them all: airlsh dead-letters list {name} --build {build}"
