"""Loads the bytes of one image from its row, file or pointer."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lsh_core.errors import (
    ImageError,
    SettingsError,
    SourceChangedError,
    SourceError,
    SourceMissingError,
    SourceUnavailableError,
)
from lsh_core.features.public_http import fetch, under_roots
from lsh_core.sources.allowed_roots import check_allowed
from lsh_core.sources.archives import MAX_IMAGE_BYTES
from lsh_core.sources.listing import IRREGULAR, Listed, is_local, look_up, open_filesystem
from lsh_core.sources.storage_errors import translate_errors

_WEB = ("http://", "https://")
_TRIES = 3
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Pointer:
    """Path or URL of an image in a column; a relative path starts at the source's folder."""

    place: str


Payload = bytes | Listed | Pointer


class ImageUnavailableError(ImageError):
    """Retryable failure to fetch an image: its storage did not answer, or it is missing."""


def check_places(places: Sequence[str]) -> None:
    """Raise `SettingsError` for a location from which no image can be read."""
    for place in places:
        if not place.startswith(_WEB):
            check_allowed(place, (place,), setting="image_root")


def absolute_place(place: str) -> str:
    """Return a location with its absolute path if local: workers have another working folder."""
    return place if "://" in place else open_filesystem(place)[1]


def load_image(payload: Payload, *, base: str, places: Sequence[str]) -> bytes:
    """Return the bytes of an image.

    Parameters
    ----------
    base
        Folder of relative paths, ending in a slash.
    places
        Folders and URL prefixes that a `Pointer` may lead to. Symbolic links are resolved first.

    Raises
    ------
    ImageUnavailableError
        The image is missing, or cannot be read now.
    ImageError
        The image is too large, or outside the allowed locations.
    SourceChangedError
        A file of the source changed since the listing.
    """
    if isinstance(payload, bytes):
        if len(payload) > MAX_IMAGE_BYTES:
            raise ImageError(f"has {len(payload):,} bytes, at most {MAX_IMAGE_BYTES:,} are read")
        return payload
    for left in reversed(range(_TRIES)):
        try:
            return _listed(payload) if isinstance(payload, Listed) else _pointed(payload.place, base, places)
        except SourceUnavailableError as error:
            if not left:
                raise ImageUnavailableError(str(error)) from error
            time.sleep(_PAUSE_SECONDS)
        except SourceChangedError:
            raise
        except SourceError as error:
            raise ImageUnavailableError(str(error)) from error
        except SettingsError as error:
            raise ImageError(str(error)) from error
    raise AssertionError("unreachable")


def _listed(file: Listed) -> bytes:
    if file.size == IRREGULAR:  # It is refused even if it is a file by now: a chunk is named by its listed files.
        raise SourceError(file.url, "was no file when the source was listed, but a link to nothing, a pipe or a device")
    if file.size > MAX_IMAGE_BYTES:
        raise ImageError(f"has {file.size:,} bytes, at most {MAX_IMAGE_BYTES:,} are read")
    try:
        data = _read(file.url)
    except SourceError:
        _require_unchanged(file)
        raise
    if len(data) != file.size or _is_on_this_machine(file.url):
        _require_unchanged(file)
    return data


def _pointed(place: str, base: str, places: Sequence[str]) -> bytes:
    if place.lower().startswith(_WEB):
        if not under_roots(place, places):
            raise ImageError(
                f"{place} is outside the allowed places ({', '.join(places)}); allow more with --image-root"
            )
        try:
            return fetch(place, places, MAX_IMAGE_BYTES)
        except SourceMissingError:
            raise
        except SourceError as error:  # A location that is not allowed stays so: the error is final.
            raise ImageError(str(error)) from error
    url = place if "://" in place or place.startswith("/") else base + place
    check_allowed(url, [each for each in places if not each.startswith(_WEB)], setting="image")
    data = _read(url)
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(f"{place} has more than {MAX_IMAGE_BYTES:,} bytes, which is the most that is read")
    return data


def _read(url: str) -> bytes:
    """Return the first bytes of a file, at most one more than `MAX_IMAGE_BYTES`."""
    filesystem, path = open_filesystem(url)
    with translate_errors(url, "cannot be read", local=is_local(filesystem)):
        if is_local(filesystem) and not os.path.isfile(path):  # Reading a pipe or a device may never end.
            raise SourceError(url, "there is no such file" if not os.path.exists(path) else "is not a regular file")
        with filesystem.open(path, "rb", cache_type="none") as file:
            data: bytes = file.read(MAX_IMAGE_BYTES + 1)
    return data


def _require_unchanged(file: Listed) -> None:
    now = look_up(file.url)
    if now is None or (now.size, now.version) != (file.size, file.version):
        found = f"{now.size:,} bytes, version {now.version}" if now else "no file"
        raise SourceChangedError(file.url, f"{file.size:,} bytes, version {file.version}", found)


def _is_on_this_machine(url: str) -> bool:
    return is_local(open_filesystem(url)[0])
