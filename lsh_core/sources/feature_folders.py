"""Folders that `airlsh features` wrote: their rows are those of the files that the manifest names, and no others.

``OUTPUT/rows`` shows the published rows to readers of plain Parquet. All else lies in folders that they pass over, in
files whose names do not end in ``.parquet``: the manifest, the chunks that it names, those of a run that is at work, or
was killed, or ended before the last one, and the dead letters. airlsh reads the chunks that the manifest names, which
stay for a while when a later run replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import orjson

from lsh_core.errors import SourceError

OWN = "_airlsh"
MANIFEST = f"{OWN}/manifest.json"
CHUNKS, REFUSED = f"{OWN}/chunks", f"{OWN}/refused"
ROWS, DEAD_LETTERS = "rows", "_dead_letters"
COMPLETE = "complete"
OLD_MANIFEST = "manifest.json"
_KEYS = {"state", "encoder", "chunks", "input_fingerprint"}


class Sized(Protocol):
    """A file that was listed."""

    @property
    def size(self) -> int:
        """Bytes."""


AnyFile = TypeVar("AnyFile", bound=Sized)


def feature_files(
    found: Mapping[str, AnyFile], hidden: Mapping[str, Callable[[], AnyFile]], read: Callable[[str], bytes]
) -> tuple[dict[str, AnyFile], list[str]]:
    """Return what is read of a listing: of a folder of features, and all below it, what its manifest names.

    Where only files from inside such a folder were found, as by ``FOLDER/rows/*.parquet``, its manifest is looked up,
    and of the chunks that it names those that were found are read.

    Parameters
    ----------
    found
        The files that were found, by their URLs.
    hidden
        Those that were found and are hidden by their names, looked at when they are called.
    read
        Returns what a file holds.

    Returns
    -------
    tuple
        The files by their URLs, and the folders of features among them.

    Raises
    ------
    SourceError
        A run has begun to write the folder and none has completed it, or a file that the manifest names is missing or
        has another size, or it names none of the files that were found; or an earlier airlsh wrote it.
    """
    files = dict(found)
    folders = []
    for folder, manifest, whole in _folders(found, hidden, read):
        folders.append(folder)
        url = f"{folder}/{MANIFEST}"
        if manifest["state"] != COMPLETE:
            raise SourceError(
                folder, "its features are not complete: `airlsh features` is at work on them, or is to be run again"
            )
        named = {f"{folder}/{chunk['file']}": chunk for chunk in manifest["chunks"]}
        if whole:
            chunks = {name: (hidden[name]() if name in hidden else None) for name in named}
        else:
            chunks = {name: found.get(f"{folder}/{shown(chunk['file'])}") for name, chunk in named.items()}
            chunks = {name: file for name, file in chunks.items() if file is not None}
            if not chunks:
                raise SourceError(folder, f"{url} names none of the files that were asked for: give the folder")
        for name, file in chunks.items():
            _check(name, file, named[name]["bytes"], url)
        files = {each: file for each, file in files.items() if not each.startswith(f"{folder}/")}
        files |= {
            name if whole else f"{folder}/{shown(named[name]['file'])}": file for name, file in chunks.items() if file
        }
    return files, folders


def shown(name: str) -> str:
    """Return the name under which the rows of a stored chunk are shown to other readers."""
    return f"{ROWS}/{name.rpartition('/')[2].removesuffix('.pq')}.parquet"


def is_old(content: bytes) -> bool:
    """Return whether a file named `OLD_MANIFEST` is what an earlier airlsh wrote beside its chunks."""
    return _manifest(content) is not None


def _check(name: str, file: Sized | None, size: int, url: str) -> None:
    if file is None:
        raise SourceError(name, f"is missing, though {url} names it: run `airlsh features` again")
    if file.size != size:
        found = f"has {file.size:,} bytes, and {size:,} by {url}"
        raise SourceError(name, f"{found}: run `airlsh features` again")


def _folders(
    found: Mapping[str, Any], hidden: Mapping[str, Any], read: Callable[[str], bytes]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield each folder of features that was found, what its manifest says, and whether all of it was found."""
    places = {url.removesuffix(f"/{MANIFEST}"): True for url in hidden if url.endswith(f"/{MANIFEST}")}
    for url in found:
        folder, _, name = url.rpartition("/")
        above, _, inner = folder.rpartition("/")
        if inner == ROWS:
            places.setdefault(above, False)
        if name == OLD_MANIFEST and is_old(read(url)):
            raise SourceError(
                folder, "was written by an earlier airlsh, whose layout is not read: run `airlsh features` into another"
            )
    for folder, was_found in places.items():
        try:
            manifest = _manifest(read(f"{folder}/{MANIFEST}"))
        except Exception:
            if was_found:
                raise
            continue  # One was only looked for: stores that do not say what is missing answer as they like.
        if manifest is not None:
            yield folder, manifest, was_found


def _manifest(content: bytes) -> dict[str, Any] | None:
    """Return what a manifest of features says; None for a file of another kind."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document.keys() >= _KEYS else None
