"""Suggests names in error messages. Pure: no I/O.

The suggestions are the most similar names, and some of all names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_NAMED = 20


def near_names(name: str, names: Iterable[str], limit: int = 1) -> list[str]:
    """Return the names most similar to `name`.

    Names that end with `name` after a dot come first, then names with similar letters.
    """
    known = list(names)
    inner = [each for each in known if each.endswith(f".{name}")]
    lowered = {each.lower(): each for each in known}
    alike = [lowered[each] for each in get_close_matches(name.lower(), lowered, n=limit, cutoff=0.6)]
    return list(dict.fromkeys([*inner, *alike]))[:limit]


def did_you_mean(name: str, names: Iterable[str], limit: int = 1) -> str:
    """Return ``did you mean NAME? `` for the most similar names, or ""."""
    near = near_names(name, names, limit)
    return f"did you mean {' or '.join(near)}? " if near else ""


def listed(names: Collection[str]) -> str:
    """Return at most `MAX_NAMED` names with commas, and the number of further names."""
    shown = list(names)[:MAX_NAMED]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return f"{', '.join(shown) or 'none'}{more}"


def choice_of(name: str, names: Collection[str]) -> str:
    """Return the hint for an unknown `name`: the most similar name, and the choices."""
    return f"{did_you_mean(name, names)}there are {listed(names)}"
