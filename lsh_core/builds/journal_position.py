"""Positions in the journal of live changes, and the watermark of a source.

The journal orders the changes of all names. A position is the ``_seq_no`` of a change's document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

JournalPosition = NewType("JournalPosition", int)
"""Position in the journal; a later change has a greater position."""

BEFORE_ALL = JournalPosition(-1)
"""Position before the first change."""


@dataclass(frozen=True)
class SourceWatermark:
    """The journal position up to which a build's source already contains every live change.

    Replay starts after it.

    Attributes
    ----------
    time
        Moment that the user set, ISO 8601: the source contains all changes before it. None: not set.
    position
        Position of the last change that the source contains. It is derived from `time` once, when the build starts, so
        later clock changes of the writers have no effect.
    """

    time: str | None = None
    position: JournalPosition = BEFORE_ALL
