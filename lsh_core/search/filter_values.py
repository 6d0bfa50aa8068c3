"""Values of filters against the types of fields. Pure: no I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from ipaddress import ip_address, ip_network
from typing import Any

_WHOLE = {"byte": 8, "short": 16, "integer": 32, "long": 64}
_LARGEST = {"half_float": 65_504.0, "float": 3.4028234663852886e38, "double": math.inf}
NUMBERS = (*_WHOLE, *_LARGEST)
DATES = ("date", "date_nanos")
_MOMENT = re.compile(
    r"(?P<year>[+-]?\d{4,9})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T\d\d(:\d\d(:\d\d([.,]\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?)?"
)
_MATH = r"([+-]\d+[yMwdhHms]|/[yMwdhHms])*"
_RELATIVE = re.compile(rf"(now|(?P<anchor>.+)\|\|){_MATH}")
_DECIMAL_TEXT = re.compile(r"-\d+|[+-]?\d*\.\d+|[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def why_unfit(kind: str, value: object, field: Mapping[str, Any]) -> str | None:
    """Return why a field of a mapping can have no such value in a query of this kind, or None if it can."""
    type_ = field.get("type")
    if type_ in NUMBERS:
        return _unfit_number(kind, value, str(type_))
    if type_ in DATES:
        return _unfit_date(value, str(type_))
    if type_ == "boolean":
        return None if isinstance(value, bool) or value in ("true", "false") else "is not true or false, for a boolean"
    if type_ == "ip":
        return _unfit_address(kind, value)
    if type_ == "keyword":
        return _unfit_text(kind, value, field.get("ignore_above"))
    return None


def _unfit_number(kind: str, value: object, type_: str) -> str | None:
    number = _number(value)
    if number is None:
        return f"is not a number, and the field is of type {type_}"
    if type_ in _LARGEST:
        return f"is beyond what a {type_} holds" if abs(number) > _LARGEST[type_] else None
    if kind != "range" and number != int(number):
        return f"is not a whole number, and the field is of type {type_}: no row can have it"
    # The server compares bounds of the small types as integers.
    bits = max(_WHOLE[type_], 32) if kind == "range" else _WHOLE[type_]
    smallest, largest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if smallest <= number <= largest:
        return None
    instead = ": leave this bound out" if kind == "range" else ": no row can have it"
    return f"is beyond a {type_}, which goes from {smallest:,} to {largest:,}{instead}"


def _number(value: object) -> int | float | None:
    """Return a value as a finite number, exactly; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) and "_" not in value else _finite(value)
    except ValueError:
        return _finite(value)


def _finite(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _unfit_date(value: object, type_: str) -> str | None:
    shown = "such as 2026-11-20 or 2026-11-20T22:00:00Z, milliseconds since 1970, or now-7d/d"
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    if isinstance(value, str):
        relative = _RELATIVE.fullmatch(value)
        moment = value if relative is None else relative["anchor"]
        if moment is None or _is_moment(moment):
            return None
    return f"is not a date, and the field is of type {type_}: give ISO 8601 {shown}"


def _is_moment(text: str) -> bool:
    if re.fullmatch(r"-?\d+", text):
        return True
    found = _MOMENT.fullmatch(text)
    if found is None:
        return False
    # The calendar repeats every 400 years.
    year = int(found["year"]) % 400 + 2000
    try:
        date(year, int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return False
    return True


def _unfit_address(kind: str, value: object) -> str | None:
    try:
        if isinstance(value, str):
            ip_network(value, strict=False) if kind != "range" and "/" in value else ip_address(value)
            return None
    except ValueError:
        pass
    network = "" if kind == "range" else ", or a network such as 10.0.0.0/24"
    return f"is not an address such as 10.0.0.1{network}, and the field is of type ip"


def _unfit_text(kind: str, value: object, longest: int | None) -> str | None:
    if kind == "range":
        if not isinstance(value, str):
            return "is a number, but the field is a keyword, whose values are compared as text" + _AS_NUMBER
        if _DECIMAL_TEXT.fullmatch(value):
            return "is a number, but a keyword is compared as text, in which '10.5' comes before '9.5'" + _AS_NUMBER
    elif isinstance(value, bool | float):
        return f"is not a text, and the field is a keyword: give the text as the source has it, such as {_text(value)}"
    if longest is not None and isinstance(value, str) and len(value) > longest:
        return f"has {len(value):,} characters; of a keyword only values of up to {longest:,} can be found"
    return None


_AS_NUMBER = ": build the index with --field-type COLUMN=double to compare numbers"


def _text(value: bool | float) -> str:
    return f'"{str(value).lower()}"'
