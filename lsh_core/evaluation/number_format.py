"""Formats the figures of a report. Pure: no I/O."""

from __future__ import annotations

UNKNOWN = "-"


def whole(number: float | None) -> str:
    """Return a number without decimals: ``12,345``."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def per_cent(part: float | None) -> str:
    """Return a share, 0 to 1, as a percentage: ``12.3 %``, ``0.12 %``."""
    if part is None:
        return UNKNOWN
    return f"{100 * part:.1f} %" if part >= 0.1 else f"{100 * part:.2g} %"
