"""Names of partitions: ``key=value`` folders joined by ``/``.

Programs that write folders escape different characters. A partition name escapes only ambiguous characters. So each
partition has one name, whichever program wrote its folders, and each name means one partition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

Levels = tuple[tuple[str, str], ...]
"""Decoded keys and values of a partition's folders, outermost first."""

NULL = "__HIVE_DEFAULT_PARTITION__"
"""Folder value of rows with null in the column."""

_IN_A_VALUE = re.compile(r"[\x00-\x1f%/]")
_IN_A_KEY = re.compile(r"[\x00-\x1f%/=]")


def levels_of(folders: Sequence[str]) -> Levels:
    """Return the levels among `folders`, in folder order.

    If a key repeats, its last value counts.
    """
    values: dict[str, str] = {}
    for folder in folders:
        key, equals, value = folder.partition("=")
        if equals and key:
            values[unquote(key)] = unquote(value)
    return tuple(values.items())


def partition_name(levels: Levels) -> str:
    """Return the name of a partition.

    `levels_of` the parts of the name returns the same levels.
    """
    return "/".join(f"{_escaped(_IN_A_KEY, key)}={_escaped(_IN_A_VALUE, value)}" for key, value in levels)


def partition_of(path: str) -> str | None:
    """Return the partition of the file at `path` (or URL), by its folders.

    The result is None without ``key=value`` folders.
    """
    return partition_name(levels_of(path.split("/")[:-1])) or None


def column_value(value: str) -> str | None:
    """Return the column value for a folder value; None for Hive's name of null."""
    return None if value == NULL else value


def _escaped(characters: re.Pattern[str], text: str) -> str:
    return characters.sub(lambda found: quote(found[0], safe=""), text)
