"""Names to choose from, as errors tell of them: the ones most like what was written, and some of all. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

MAX_NAMED = 20


def near_names(name: str, names: Iterable[str], most: int = 1) -> list[str]:
    """Return the names most like `name`: those that end with it after a dot, then those of like letters."""
    known = list(names)
    inner = [each for each in known if each.endswith(f".{name}")]
    lowered = {each.lower(): each for each in known}
    alike = [lowered[each] for each in get_close_matches(name.lower(), lowered, n=most, cutoff=0.6)]
    return list(dict.fromkeys([*inner, *alike]))[:most]


def did_you_mean(name: str, names: Iterable[str], most: int = 1) -> str:
    """Return ``did you mean NAME? `` for the names most like `name`, or nothing."""
    near = near_names(name, names, most)
    return f"did you mean {' or '.join(near)}? " if near else ""


def listed(names: Collection[str]) -> str:
    """Return the names with commas between, at most `MAX_NAMED`, and how many more there are."""
    shown = list(names)[:MAX_NAMED]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return f"{', '.join(shown) or 'none'}{more}"


def choice_of(name: str, names: Collection[str]) -> str:
    """Return what to give instead of `name`: the name most like it, and which there are."""
    return f"{did_you_mean(name, names)}there are {listed(names)}"
