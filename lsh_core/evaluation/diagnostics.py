"""A warning is of use if it says what helps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """What is wrong, and what helps."""

    what: str
    remedy: str
