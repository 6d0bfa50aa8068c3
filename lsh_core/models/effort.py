"""Effort of a search, in the unit of its model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Effort of a search.

    Attributes
    ----------
    unit
        ``"reach"`` or ``"probes"`` (models searched by lists), ``"candidates"`` or ``"num_candidates"``.
    value
        A whole number, but for ``reach``.
    widening
        Under a filter, the number of visited lists is this multiple of the lists within the reach.
    """

    unit: str
    value: float
    widening: float = 1.0

    @property
    def whole(self) -> int:
        """The value of a unit of whole numbers."""
        return int(self.value)

    def __str__(self) -> str:
        return f"reach {self.value:g}" if self.unit == "reach" else f"{self.value:,} {self.unit}"
