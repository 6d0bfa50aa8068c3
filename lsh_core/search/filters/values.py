"""Checks values of filters against the types of fields. Pure: no I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from ipaddress import IPv6Network, ip_address, ip_network
from typing import Any

from lsh_core.search.filters.dates import why_unfit_date

_WHOLE = {"byte": 8, "short": 16, "integer": 32, "long": 64}
_MAX_VALUES = {"half_float": 65_504.0, "float": 3.4028234663852886e38, "double": math.inf}
NUMBERS = (*_WHOLE, *_MAX_VALUES)
_MAX_BITS = 1024
DATES = ("date", "date_nanos")
_DECIMAL_TEXT = re.compile(r"-\d+|[+-]?\d*\.\d+|[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def why_not_json(value: object) -> str | None:
    """Return why JSON cannot represent the value, or None."""
    if isinstance(value, str) and not is_unicode(value):
        return f"{value!r} is not Unicode text, as it holds half of a surrogate pair"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value!r} is no number that JSON has"
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"is a whole number of {value.bit_length():,} bits, of which no field has so many"
    return None


def is_field_name(name: object) -> bool:
    """Return whether a field may have this name."""
    return isinstance(name, str) and name != "" and is_unicode(name)


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded as UTF-8; lone surrogates cannot."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def why_unfit(kind: str, value: object, field: Mapping[str, Any]) -> str | None:
    """Return why a mapped field cannot match the value in this query, or None."""
    type_ = field.get("type")
    if type_ in NUMBERS:
        return _unfit_number(kind, value, str(type_))
    if type_ in DATES:
        return why_unfit_date(value, str(type_))
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
    if type_ in _MAX_VALUES:
        return f"is beyond what a {type_} holds" if abs(number) > _MAX_VALUES[type_] else None
    if kind != "range" and number != int(number):
        return f"is not a whole number, and the field is of type {type_}: no row can have it"
    # The server compares bounds of the small types as integers.
    bits = max(_WHOLE[type_], 32) if kind == "range" else _WHOLE[type_]
    smallest, largest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    # The server cannot tell whether a float at the end is within the range.
    if smallest <= number <= largest and not (kind == "range" and isinstance(number, float) and number == -(2**63)):
        return None
    instead = ": leave this bound out" if kind == "range" else ": no row can have it"
    return f"is beyond a {type_}, which goes from {smallest:,} to {largest:,}{instead}"


def _number(value: object) -> int | float | None:
    """Return a value as an exact finite number, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and not (value.isascii() and "_" not in value):
        return None  # Python reads such digits, the server does not.
    try:
        return int(value) if isinstance(value, str) else _finite(value)
    except ValueError:
        return _finite(value)


def _finite(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _unfit_address(kind: str, value: object) -> str | None:
    try:
        if isinstance(value, str) and (kind == "range" or "/" not in value):
            ip_address(value)
            return None
        if isinstance(value, str) and value.rpartition("/")[2].isdecimal() and not _is_mapped(value):
            return None
    except ValueError:
        pass
    network = "" if kind == "range" else ", or a network such as 10.0.0.0/24"
    return f"is not an address such as 10.0.0.1{network}, and the field is of type ip"


def _is_mapped(network: str) -> bool:
    """Return whether a network is an IPv4-mapped IPv6 network, which the server refuses."""
    found = ip_network(network, strict=False)
    return isinstance(found, IPv6Network) and found.network_address.ipv4_mapped is not None


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
