"""Checks dates in filters by Elasticsearch's rules. Pure: no I/O."""

from __future__ import annotations

import re
from datetime import date

_DATE = r"(?P<year>-?\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
_TIME = r"T([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?)?"
_OFFSET = r"(Z|[+-](0\d|1[0-7])(:?[0-5]\d)?|[+-]18(:?00)?)?"
_MOMENT = re.compile(rf"{_DATE}({_TIME}{_OFFSET})?)?)?", re.ASCII)
_MILLISECONDS = re.compile(r"-?\d+", re.ASCII)
_RELATIVE = re.compile(r"(now|(?P<anchor>.+)\|\|)(?P<steps>([+-]\d+[yMwdhHms]|/[yMwdhHms])*)", re.ASCII)
_STEP = re.compile(r"(?P<amount>[+-]\d+)(?P<unit>[yMwdhHms])", re.ASCII)
_PER_YEAR = {"y": 1, "M": 12, "w": 52, "d": 365, "h": 8_760, "H": 8_760, "m": 525_600, "s": 31_536_000}
_MAX_AMOUNT = 2**31 - 1
_MAX_YEARS = 200_000_000
"""The server adds up milliseconds in 64 bits: 292 million years, with weeks and days rounded here."""
_MAX_MILLISECONDS = 2**63 - 1
_NANOS_YEARS = (1970, 2262)
_NANOS_MILLISECONDS = 9_223_372_036_853
_EXAMPLES = "such as 2026-11-20 or 2026-11-20T22:00:00Z, milliseconds since 1970, or now-7d/d"


def why_unfit_date(value: object, type_: str) -> str | None:
    """Return why a ``date`` or ``date_nanos`` field cannot hold the date, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _beyond_milliseconds(value, type_)
    if isinstance(value, str):
        relative = _RELATIVE.fullmatch(value)
        moment = value if relative is None else relative["anchor"]
        if relative is not None and not _is_near(relative["steps"]):
            return "goes further than any date: years of dates have up to four digits"
        if moment is None:
            return None
        if _MILLISECONDS.fullmatch(moment):
            return _beyond_milliseconds(int(moment), type_) if len(moment) < 40 else _beyond(type_)
        if (year := _year(moment)) is not None:
            return _beyond(type_) if type_ == "date_nanos" and not _has_nanoseconds(year) else None
    return f"is not a date, and the field is of type {type_}: give ISO 8601 {_EXAMPLES}; a year has four digits"


def _beyond_milliseconds(value: int, type_: str) -> str | None:
    fits = 0 <= value <= _NANOS_MILLISECONDS if type_ == "date_nanos" else abs(value) <= _MAX_MILLISECONDS
    return None if fits else _beyond(type_)


def _beyond(type_: str) -> str:
    if type_ == "date_nanos":
        return "is beyond a date_nanos, which goes from 1970-01-01 to 2262-04-11"
    return "is beyond a date, which is a count of milliseconds in 64 bits"


def _has_nanoseconds(year: int) -> bool:
    return _NANOS_YEARS[0] <= year <= _NANOS_YEARS[1]


def _is_near(steps: str) -> bool:
    """Return whether date math stays where the server can count milliseconds."""
    found = [(abs(int(step["amount"])), step["unit"]) for step in _STEP.finditer(steps)]
    within = all(amount <= _MAX_AMOUNT for amount, _ in found)
    return within and sum(amount / _PER_YEAR[unit] for amount, unit in found) <= _MAX_YEARS


def _year(text: str) -> int | None:
    """Return the year of an ISO 8601 date; None if invalid, such as the 30th of February."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    try:
        # The calendar repeats every 400 years.
        date(int(found["year"]) % 400 + 2000, int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return None
    return int(found["year"])
