"""Checks options of the queries in a filter. Pure: no I/O.

Only the server knows which time zones, date formats and analyzers exist: see `lsh_core.search.filters.refusals`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from lsh_core.errors import FilterError
from lsh_core.redaction import quoted
from lsh_core.search.filters.values import why_not_json

_MAX_INT = 2**31 - 1
_MAX_FLOAT = 3.4028234663852886e38
_MAX_PERCENT = 100
_OWN_NAMES = "airlsh."
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_PART = r"-?[0-9]{1,10}%?"
_HOW_MANY = re.compile(rf"{_PART}|[0-9]{{1,10}}<{_PART}( [0-9]{{1,10}}<{_PART})*")
_EDITS = re.compile(r"[012](\.0)?|auto(:(?P<low>[0-9]{1,9}),(?P<high>[0-9]{1,9}))?", re.IGNORECASE)
_REWRITE = re.compile(
    r"constant_score(_blended|_boolean)?|scoring_boolean|top_terms_(boost_|blended_freqs_)?[1-9][0-9]{0,8}"
)
_OFFSET = re.compile(
    r"(UTC|GMT|UT)?[+-]([0-9]|(?P<hours>[0-9]{2})(:?(?P<minutes>[0-5][0-9])(:?(?P<seconds>[0-5][0-9]))?)?)"
)
_REGION = re.compile(r"Z|[A-Za-z][A-Za-z0-9~/._+-]+")
_MAX_OFFSET_SECONDS = 18 * 3600


def check_option(option: str, value: object, path: str) -> None:
    """Raise `FilterError` for a value that is invalid for every field; `path` leads to the option."""
    if (reason := why_not_json(value)) is not None:
        raise FilterError(path, reason)
    if (wanted := _CHECKS.get(option)) is not None and not wanted[0](value):
        raise FilterError(path, f"must be {wanted[1]}, not {quoted(value, 60)}")


def check_minimum(value: object, path: str, *, clauses: int, others: int) -> None:
    """Check ``minimum_should_match`` of a ``bool``.

    `clauses` counts ``should``, and `others` all other clauses.
    """
    check_option("minimum_should_match", value, path)
    text = str(value)
    if _WHOLE.fullmatch(text) and int(text) > clauses and clauses + others:
        raise FilterError(path, f"asks for {int(text)} clauses of should, which has {clauses}: no row could match")


def check_for_type(kind: str, options: Mapping[str, object], type_: str, path: str) -> None:
    """Raise `FilterError` for an option that a type of field does not support."""
    if kind == "term" and options.get("case_insensitive") in (True, "true") and type_ not in ("keyword", "boolean"):
        raise FilterError(f"{path}.case_insensitive", f"is for texts, and the field is of type {type_}: leave it out")
    if kind == "range":
        for option in ("format", "time_zone"):
            if option in options and not type_.startswith("date"):
                raise FilterError(f"{path}.{option}", f"is for dates, and the field is of type {type_}: leave it out")
        if "relation" in options:
            reason = f"is for fields that hold ranges, and the field is of type {type_}: leave it out"
            raise FilterError(f"{path}.relation", reason)


def _is_boost(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    plain = not isinstance(value, str) or (value.isascii() and "_" not in value)
    return plain and math.copysign(1, number) > 0 and number <= _MAX_FLOAT


def _is_truth(value: object) -> bool:
    return isinstance(value, bool) or value in ("true", "false")


def _is_edits(value: object) -> bool:
    if isinstance(value, bool):
        return False
    found = _EDITS.fullmatch(str(value))
    return found is not None and (found["low"] is None or int(found["low"]) <= int(found["high"]))


def _is_how_many(value: object) -> bool:
    text = str(value)
    if isinstance(value, bool) or not _HOW_MANY.fullmatch(text):
        return False
    return all(
        int(number) <= (_MAX_PERCENT if percent else _MAX_INT) for number, percent in re.findall(r"([0-9]+)(%?)", text)
    )


def _from(smallest: int) -> Callable[[object], bool]:
    def is_whole(value: object) -> bool:
        text = str(value)
        return not isinstance(value, bool) and bool(_WHOLE.fullmatch(text)) and smallest <= int(text) <= _MAX_INT

    return is_whole


def _is_time_zone(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if (offset := _OFFSET.fullmatch(value)) is not None:
        hours, minutes, seconds = (int(offset[part] or 0) for part in ("hours", "minutes", "seconds"))
        return hours * 3600 + minutes * 60 + seconds <= _MAX_OFFSET_SECONDS
    return _REGION.fullmatch(value) is not None and not re.match(r"(UTC|GMT|UT)[+-]", value)


def _is_format(value: object) -> bool:
    return isinstance(value, str) and all(value.split("||"))


def _one_of(*words: str) -> tuple[Callable[[object], bool], str]:
    def is_one(value: object) -> bool:
        return isinstance(value, str) and value.lower() in words

    return is_one, " or ".join(words)


_TRUTH = (_is_truth, "true or false")
_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "boost": (_is_boost, "a number from 0 to 3.4e38 (a filter has no scores to raise: leave it out)"),
    "_name": (
        lambda value: not str(value).startswith(_OWN_NAMES),
        f"a name that does not start with {_OWN_NAMES}, which airlsh keeps for itself",
    ),
    **dict.fromkeys(
        ("case_insensitive", "fuzzy_transpositions", "lenient", "auto_generate_synonyms_phrase_query"), _TRUTH
    ),
    "operator": _one_of("and", "or"),
    "zero_terms_query": _one_of("none", "all"),
    "relation": _one_of("intersects", "within", "contains"),
    "fuzziness": (_is_edits, "0, 1, 2, AUTO or AUTO:LOW,HIGH such as AUTO:3,6"),
    "prefix_length": (_from(0), "a whole number, 0 or more"),
    "max_expansions": (_from(1), "a whole number, 1 or more"),
    "fuzzy_rewrite": (
        lambda value: isinstance(value, str) and _REWRITE.fullmatch(value) is not None,
        "constant_score, constant_score_blended, constant_score_boolean, scoring_boolean, or top_terms_N, "
        "top_terms_boost_N or top_terms_blended_freqs_N with N from 1",
    ),
    "analyzer": (lambda value: isinstance(value, str) and value != "", "the name of an analyzer, such as standard"),
    "minimum_should_match": (_is_how_many, "a number, a percentage up to 100%, or conditions such as 2<50%"),
    "time_zone": (_is_time_zone, "an offset from -18:00 to +18:00, or a name such as Europe/Berlin"),
    "format": (_is_format, "a format of dates such as dd.MM.yyyy or epoch_second, or several with || between"),
}
