"""Reads images in zip and tar archives without unpacking to disk.

A zip has a directory, and a plain tar can be skipped through. A compressed tar is decompressed twice: to list its
members, and to read them.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Self, cast

from lsh_core.errors import ImageError, SourceError
from lsh_core.sources.left_out import is_hidden
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.remote_file import RemoteFile
from lsh_core.sources.storage_errors import translate_errors

ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp")
MAX_IMAGE_BYTES = 64 * 2**20
_MAX_HEADER_BYTES = 2**20
"""Bound for the extension headers before a file in a tar (long name, attributes), which are read whole."""

# A tar that holds only headers of headers raises RecursionError.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError)
# An encrypted zip member raises RuntimeError; an unsupported compression raises NotImplementedError.
_UNREADABLE = (*_BROKEN, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    """File in an archive; `read` works until the next member is requested."""

    name: str
    size: int
    read: Callable[[], bytes]


def is_archive(url: str) -> bool:
    """Return whether the name of a file is that of a zip or tar archive."""
    return url.lower().endswith((*ZIP_SUFFIXES, *TAR_SUFFIXES))


def is_random_access(url: str) -> bool:
    """Return whether members can be read without reading what lies before them."""
    return url.lower().endswith(ZIP_SUFFIXES)


def archive_members(url: str) -> Iterator[Member]:
    """Yield the files in an archive in its order, without folders, and hidden names.

    Hard links are files. In an uncompressed tar they are read if their target lies before them. Other hard links, and
    symbolic links with the name of an image, are members that cannot be read. All other links are left out.

    Raises
    ------
    SourceError
        The file is not an archive, is truncated, or cannot be read.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    local = is_local(filesystem)
    with translate_errors(url, "cannot be opened", local=local):
        opened = filesystem.open(path, "rb")
    with opened:
        file = cast("IO[bytes]", opened if local else RemoteFile(url, opened))
        members = _zip_members(file) if url.lower().endswith(ZIP_SUFFIXES) else _tar_members(file)
        while True:
            try:
                member = next(members, None)
            except _BROKEN as error:
                raise SourceError(url, f"cannot be read as an archive: {str(error) or 'it is cut off'}") from error
            if member is None:
                return
            yield member


class _SmallHeader(tarfile.TarInfo):
    """Header of a tar whose claimed size is checked before reading: a few zipped bytes may claim gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _OF_THE_NEXT and found.size > _MAX_HEADER_BYTES:
            raise ValueError(f"has a header of {found.size:,} bytes, at most {_MAX_HEADER_BYTES:,} are read")
        return found


_OF_THE_NEXT = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir() and not is_hidden(info.filename, ""):
                yield Member(info.filename, info.file_size, partial(_read, partial(archive.open, info), info.file_size))


def _tar_members(file: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:*", tarinfo=_SmallHeader) as archive:
        is_plain = archive.fileobj is file
        places: dict[str, tuple[int, int]] = {}  # Where the content of each file is, for hard links to it.
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # The list would keep every member in memory.
            if info.islnk() and is_plain and info.linkname in places:
                info.type, (info.offset_data, info.size) = tarfile.REGTYPE, places[info.linkname]
            if info.isfile() and is_plain and not info.issparse():
                places[info.name] = info.offset_data, info.size
            if is_hidden(info.name, ""):
                continue
            if info.isfile():
                yield Member(info.name, info.size, partial(_read, partial(archive.extractfile, info), info.size))
            elif info.islnk() or (info.issym() and info.name.lower().endswith(IMAGE_SUFFIXES)):
                yield Member(info.name, 0, partial(_refuse_link, info, is_plain=is_plain))
        # Python accepts a tar that is cut off between two members; a whole tar ends with a block of zeros.
        stream = cast("IO[bytes]", archive.fileobj)
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut off: its end is missing")


def _refuse_link(info: tarfile.TarInfo, *, is_plain: bool) -> bytes:
    """Raise `ImageError` with the remedy."""
    if info.issym():
        raise ImageError(f"is a symbolic link to {info.linkname!r}; pack what it leads to, with tar --dereference")
    why = "which no file before it is" if is_plain else "and a compressed archive is only read forwards"
    raise ImageError(f"is a hard link to {info.linkname!r}, {why}; pack it with tar --hard-dereference")


def _read(opened: Callable[[], IO[bytes] | None], size: int) -> bytes:
    """Read one member; raise `ImageError` if it is too large or broken."""
    if size > MAX_IMAGE_BYTES:
        raise ImageError(f"has {size:,} bytes, at most {MAX_IMAGE_BYTES:,} are read")
    try:
        file = opened()
        if file is None:
            raise ImageError("is no file")
        with file:
            return file.read(MAX_IMAGE_BYTES)
    except _UNREADABLE as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"cannot be read from its archive: {str(error) or type(error).__name__}") from error
