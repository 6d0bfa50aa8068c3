"""Folders that `airlsh features` wrote: their rows are those of the files that the manifest names, and no others.

Beside these there are dead letters, and chunks of a run that is at work, or was killed, or ended before the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import orjson

from lsh_core.errors import SourceError

MANIFEST = "manifest.json"
COMPLETE = "complete"
CHUNKS, DEAD_LETTERS = "chunks", "dead-letters"
_KEYS = {"state", "encoder", "chunks", "input_fingerprint"}


class Sized(Protocol):
    """A file that was listed."""

    @property
    def size(self) -> int:
        """Bytes."""


def without_unnamed(urls: Mapping[str, Sized], read: Callable[[str], bytes]) -> set[str]:
    """Return which of `urls` are read: of a folder of features, and all below it, what its manifest names.

    Where only files from inside such a folder were found, as by ``FOLDER/chunks/*.parquet``, its manifest is looked
    up, and of the files it names those that were found are read.

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
        has another size, or it names none of the files that were found.
    """
    kept = set(urls)
    for folder, manifest in _folders(urls, read):
        url = f"{folder}/{MANIFEST}"
        if manifest["state"] != COMPLETE:
            raise SourceError(
                folder, "its features are not complete: `airlsh features` is at work on them, or is to be run again"
            )
        named = {f"{folder}/{chunk['file']}": chunk["bytes"] for chunk in manifest["chunks"]}
        if url not in urls:
            named = {name: size for name, size in named.items() if name in urls}
            if not named:
                raise SourceError(folder, f"{url} names none of the files that were asked for: give the folder")
        if missing := sorted(named.keys() - urls.keys()):
            raise SourceError(missing[0], f"is missing, though {url} names it: run `airlsh features` again")
        for name, size in named.items():
            if urls[name].size != size:
                found = f"has {urls[name].size:,} bytes, and {size:,} by {url}"
                raise SourceError(name, f"{found}: run `airlsh features` again")
        kept = {each for each in kept if not each.startswith(f"{folder}/") or each in named}
    return kept


def _folders(urls: Iterable[str], read: Callable[[str], bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each folder of features that `urls` are in, and what its manifest says."""
    places = {}
    for url in urls:
        folder, _, name = url.rpartition("/")
        above, _, inner = folder.rpartition("/")
        if name == MANIFEST:
            places[folder] = True
        elif inner in (CHUNKS, DEAD_LETTERS):
            places.setdefault(above, False)
    for folder, was_found in places.items():
        try:
            manifest = _manifest(read(f"{folder}/{MANIFEST}"))
        except Exception:
            if was_found:
                raise
            continue  # One was only looked for: stores that do not say what is missing answer as they like.
        if manifest is not None:
            yield folder, manifest


def _manifest(content: bytes) -> dict[str, Any] | None:
    """Return what a manifest of features says; None for a file of another kind."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document.keys() >= _KEYS else None
