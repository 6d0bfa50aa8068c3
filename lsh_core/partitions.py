"""Names of partitions: ``key=value`` folders joined by ``/``, the same for one partition whoever wrote its folders.

Writers of folders escape other characters each. A name escapes only what would make it ambiguous, so that each
partition has one name, and each name means one partition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

Levels = tuple[tuple[str, str], ...]
"""Keys and values of a partition's folders, from the outermost; decoded."""

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The value of a folder whose rows have null in the column."""

_IN_A_VALUE = re.compile(r"[\x00-\x1f%/]")
_IN_A_KEY = re.compile(r"[\x00-\x1f%/=]")


def levels_of(folders: Sequence[str]) -> Levels:
    """Return the levels that are among `folders`, as they are named; of a key that repeats, the last value counts."""
    values: dict[str, str] = {}
    for folder in folders:
        key, equals, value = folder.partition("=")
        if equals and key:
            values[unquote(key)] = unquote(value)
    return tuple(values.items())


def partition_name(levels: Levels) -> str:
    """Return the name of a partition; `levels_of` its parts gives the levels again."""
    return "/".join(f"{_escaped(_IN_A_KEY, key)}={_escaped(_IN_A_VALUE, value)}" for key, value in levels)


def partition_of(path: str) -> str | None:
    """Return the partition of the file at `path` (or URL), by its folders; None without any."""
    return partition_name(levels_of(path.split("/")[:-1])) or None


def column_value(value: str) -> str | None:
    """Return the value of a partition column, by the value of its folder: None for Hive's name of null."""
    return None if value == NULL else value


def _escaped(characters: re.Pattern[str], text: str) -> str:
    return characters.sub(lambda found: quote(found[0], safe=""), text)
