"""Images in a zip or tar archive, read where they are: nothing is unpacked to a disk.

A zip has a directory and a plain tar can be skipped through; a compressed tar is decompressed from its beginning,
once to see what is in it and once to read it.
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
"""Of what stands before a file in a tar: its long name, its attributes. They are read whole."""

# A tar of nothing but headers of headers is a RecursionError.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError)
# A zip member that is encrypted is a RuntimeError, one packed in a way that Python lacks a NotImplementedError.
_UNREADABLE = (*_BROKEN, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Member:
    """One file in an archive; `read` works until the next member is asked for."""

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

    Hard links are files. They are read in a tar that is not compressed, if what they lead to lies before them; others,
    and symbolic links with the name of an image, are members that cannot be read. Other links are left out.

    Raises
    ------
    SourceError
        It is no archive, is truncated, or cannot be read.
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
    """A header of a tar, as it is before what belongs to it is read: a few zipped bytes may claim gigabytes."""

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
            archive.members.clear()  # type: ignore[attr-defined]  # It would keep all of them for a look back.
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
        # Python takes a file that is cut off between two members for a whole one: what ends it is a block of zeros.
        stream = cast("IO[bytes]", archive.fileobj)
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut off: its end is missing")


def _refuse_link(info: tarfile.TarInfo, *, is_plain: bool) -> bytes:
    """Raise `ImageError`, with what helps."""
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
