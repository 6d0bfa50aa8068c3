"""Rewrites the server's refusal of a value as a sentence about its column. Pure: no I/O."""

from __future__ import annotations

import re

from lsh_core.redaction import quoted

_UNFIT = re.compile(
    r"failed to parse field \[(?P<field>[^\]]+)\] of type \[(?P<type>\w+)\].*?"
    r"Preview of field's value: '(?P<value>.*?)'(:|$)",
    re.DOTALL,
)
_EXAMPLES = {
    "date": "such as 2026-11-20 or 2026-11-20T22:00:00Z",
    "date_nanos": "from 1970-01-01 to 2262-04-11, such as 2026-11-20T22:00:00Z",
    "ip": "such as 10.0.0.1",
    "boolean": "true or false",
    "geo_point": "such as 52.5,13.4",
}


def plain_refusal(reason: str) -> str:
    """Return the sentence about the refused value, or `reason` if it concerns something else."""
    found = _UNFIT.search(reason)
    if found is None:
        return reason
    fits = f": give a value {_EXAMPLES[found['type']]}" if found["type"] in _EXAMPLES else ""
    return (
        f"column {found['field']!r}: {quoted(found['value'], 60)} does not fit its field of type {found['type']}{fits}"
    )
