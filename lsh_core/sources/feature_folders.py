"""Folders that `airlsh features` wrote: their rows are those of the files that the manifest names, and no others.

Beside these there are dead letters, and chunks of a run that is at work, or was killed, or ended before the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from lsh_core.errors import SourceError

MANIFEST = "manifest.json"
_KEYS = {"state", "encoder", "chunks", "input_fingerprint"}


class Sized(Protocol):
    """A file that was listed."""

    @property
    def size(self) -> int:
        """Bytes."""


def without_unnamed(urls: Mapping[str, Sized], read: Callable[[str], bytes]) -> set[str]:
    """Return which of `urls` are read: of a folder of features, and all below it, what its manifest names.

    Parameters
    ----------
    urls
        Of all files that were found, with their sizes.
    read
        Returns what a file holds.

    Raises
    ------
    SourceError
        A run has begun to write the folder and none has completed it, or a file that the manifest names is missing or
        has another size.
    """
    kept = set(urls)
    for url in urls:
        folder, slash, name = url.rpartition("/")
        if name != MANIFEST or (manifest := _manifest(read(url))) is None:
            continue
        if manifest["state"] != "complete":
            raise SourceError(
                folder, "its features are not complete: `airlsh features` is at work on them, or is to be run again"
            )
        named = {f"{folder}{slash}{chunk['file']}": chunk["bytes"] for chunk in manifest["chunks"]}
        if missing := sorted(named.keys() - urls.keys()):
            raise SourceError(missing[0], f"is missing, though {url} names it: run `airlsh features` again")
        for name, size in named.items():
            if urls[name].size != size:
                found = f"has {urls[name].size:,} bytes, and {size:,} by {url}"
                raise SourceError(name, f"{found}: run `airlsh features` again")
        kept = {each for each in kept if not each.startswith(f"{folder}/") or each in named}
    return kept


def _manifest(content: bytes) -> dict[str, Any] | None:
    """Return what a manifest of features says; None for a file of another kind."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document.keys() >= _KEYS else None
