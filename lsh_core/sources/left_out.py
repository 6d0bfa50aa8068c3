"""Counts and names the files that a listing leaves out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lsh_core.redaction import escape_non_utf8

SHOWN = 5
_MARKER = re.compile(r"(.*/)?(_SUCCESS|_(committed|started)_[^/]*|\.[^/]*\.crc)")
"""Files without rows that Spark and Hadoop write beside their output, and the checksums of the others."""
_OF_MANY = "as their names, or those of folders, start with '_' or '.', or they are links that are not followed"


@dataclass(frozen=True)
class LeftOut:
    """The files of a source that are not read.

    Attributes
    ----------
    count
        Number of files, and of linked folders that are not followed.
    names
        The first names, Parquet first: files, and folders (with a slash at the end) whose files are all left out.
    """

    count: int = 0
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Iterable[str], base: str) -> LeftOut:
        """Return the summary of `paths` below `base`; a hidden folder is named once.

        Marker files of Spark and Hadoop are not counted.
        """
        roots = Counter(root for path in paths if not _MARKER.fullmatch(root := hidden_root(path, base)))
        names = sorted(roots, key=lambda name: (not name.endswith(".parquet"), not name.endswith("/"), name))
        return cls(roots.total(), tuple(map(escape_non_utf8, names[:SHOWN])))

    def __str__(self) -> str:
        return left_out_sentence(self.count, self.names)


NONE_LEFT_OUT = LeftOut()


def left_out_sentence(count: int, names: Iterable[str]) -> str:
    """Return a sentence with the number, reason and names of left-out files, or "none"."""
    if not count:
        return "none"
    files = "1 file is" if count == 1 else f"{count:,} files are"
    why = "as its name, or that of a folder, starts with '_' or '.', or it is a link that is not followed"
    return f"{files} not read, {why if count == 1 else _OF_MANY}: {', '.join(names)}"


def is_hidden(path: str, base: str) -> bool:
    """Return whether a name in `path` below `base` starts with ``_`` or ``.``.

    A ``key=value`` folder is a partition with any first letter.
    """
    return _first_hidden(_parts(path, base)) is not None


def hidden_root(path: str, base: str) -> str:
    """Return the path below `base` of the topmost hidden name, or of the file.

    A folder has a slash at the end.
    """
    parts = _parts(path, base)
    place = _first_hidden(parts)
    if place is None or place == len(parts) - 1:
        return "/".join(parts)
    return "/".join(parts[: place + 1]) + "/"


def _first_hidden(parts: list[str]) -> int | None:
    last = len(parts) - 1
    for place, part in enumerate(parts):
        is_partition = place < last and part.find("=") > 0
        if part.startswith(("_", ".")) and not is_partition:
            return place
    return None


def _parts(path: str, base: str) -> list[str]:
    relative = path[len(base) :] if path.startswith(base) else path
    return [part for part in relative.split("/") if part not in ("", ".", "..")]
