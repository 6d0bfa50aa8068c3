"""Diagnostics: problems with their remedies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """A problem and its remedy."""

    what: str
    remedy: str
