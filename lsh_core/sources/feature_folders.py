"""Lists the files of folders that `airlsh features` wrote.

The rows of such a folder are those of the chunks that its manifest names. ``OUTPUT/rows`` shows the published rows to
readers of plain Parquet. Everything else lies in folders that these readers skip, in files without the ending
``.parquet``: the manifest, its chunks, the chunks of active, killed and earlier runs, and the dead letters. When a
later run replaces a manifest, the chunks of the earlier one are kept for a while.
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
    """A listed file with its size."""

    @property
    def size(self) -> int:
        """Bytes."""


AnyFile = TypeVar("AnyFile", bound=Sized)


def feature_files(
    found: Mapping[str, AnyFile], hidden: Mapping[str, Callable[[], AnyFile]], read: Callable[[str], bytes]
) -> tuple[dict[str, AnyFile], list[str]]:
    """Return the files to read of a listing.

    In a folder of features, and below it, only files that its manifest names are read. If the listing found only files
    inside such a folder, as by ``FOLDER/rows/*.parquet``, the manifest is looked up, and the named chunks among the
    found files are read.

    Parameters
    ----------
    found
        Listed files by their URLs.
    hidden
        Returns the listed files with hidden names; called only if needed.
    read
        Returns the content of a file.

    Returns
    -------
    tuple
        The files by their URLs, and the folders of features among them.

    Raises
    ------
    SourceError
        No run has completed the folder yet, a file that the manifest names is missing or has another size, the manifest
        names none of the listed files, or an earlier version of airlsh wrote the folder.
    """
    files = dict(found)
    folders = []
    for folder, manifest, whole in _folders(found, hidden, read):
        folders.append(folder)
        url = f"{folder}/{MANIFEST}"
        if manifest["state"] != COMPLETE:
            raise SourceError(
                folder, "its features are not complete: wait for the active `airlsh features`, or run it again"
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
    """Return the file name of a stored chunk for other readers."""
    return f"{ROWS}/{name.rpartition('/')[2].removesuffix('.pq')}.parquet"


def is_old(content: bytes) -> bool:
    """Return whether an earlier version of airlsh wrote the file `OLD_MANIFEST`."""
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
    """Yield each listed folder of features, its manifest, and whether the listing has all of its files."""
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
            continue  # The manifest was only looked up; some stores give errors of any kind for a missing file.
        if manifest is not None:
            yield folder, manifest, was_found


def _manifest(content: bytes) -> dict[str, Any] | None:
    """Return the content of a manifest of features; None for another file."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and document.keys() >= _KEYS else None
