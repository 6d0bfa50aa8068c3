"""Register of readers, by name and by file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lsh_core.errors import SettingsError, SourceError
from lsh_core.sources.archive_reader import ArchiveReader
from lsh_core.sources.image_folder import ImageFolderReader
from lsh_core.sources.listing import Listed, is_local, look_up, open_filesystem
from lsh_core.sources.parquet import ParquetReader
from lsh_core.sources.reader import Contents, Reader
from lsh_core.sources.source_file import SourceFile
from lsh_core.sources.storage_errors import translate_errors

ENTRY_POINTS = "airlsh.readers"
PARQUET = ParquetReader()
"""Reader of the files that no other reader of columns claims."""
IMAGE_FOLDER = ImageFolderReader()
"""Reader of all files together that no other reader of images claims."""
_BUILT_IN: tuple[Reader, ...] = (PARQUET, ArchiveReader(), IMAGE_FOLDER)


@cache
def readers() -> dict[str, Reader]:
    """Return the readers by their names: the built-in ones, and those of installed packages.

    Raises
    ------
    SettingsError
        A reader of an installed package cannot be made, or its name is already registered.
    """
    found = {reader.name: reader for reader in _BUILT_IN}
    for entry in entry_points(group=ENTRY_POINTS):
        reader = _made(entry)
        if reader.name != entry.name or entry.name in found:
            there = ", ".join(found)
            reason = f"{entry.value} calls itself {reader.name!r}; its entry point needs that name, and not {there}"
            raise SettingsError(ENTRY_POINTS, entry.name, reason)
        found[entry.name] = reader
    return found


def reader_named(name: str) -> Reader:
    """Return the reader of a planned file; raises `SettingsError` if it is not installed."""
    try:
        return readers()[name]
    except KeyError:
        reason = f"is not installed here; install the package that registers it under {ENTRY_POINTS}"
        raise SettingsError("reader", name, f"{reason}; there are {', '.join(readers())}") from None


def reader_of(url: str, *, columns: bool = True) -> Reader | None:
    """Return the reader that claims a file, or None.

    Parameters
    ----------
    columns
        Whether to search the readers of columns (True) or of images (False).

    Raises
    ------
    SourceError
        Two readers claim the file.
    """
    claiming = [reader for reader in readers().values() if reader.has_columns == columns and reader.claims(url)]
    if len(claiming) > 1:
        names = " and ".join(repr(reader.name) for reader in claiming)
        raise SourceError(url, f"is claimed by the readers {names}; uninstall one of them, or rename the file")
    return claiming[0] if claiming else None


def source_parts(listed: Sequence[Listed]) -> list[tuple[Reader, Listed]]:
    """Return the listed files with rows, their readers, and the state of companion files.

    Raises
    ------
    SourceError
        Two readers claim a file, or a companion file is missing.
    """
    parts = [(reader_of(file.url) or PARQUET, file) for file in listed]
    beside = {url for reader, file in parts for url in reader.files_beside(file.url)}
    return [(reader, _with_files_beside(reader, file)) for reader, file in parts if file.url not in beside]


def files_beside(urls: Iterable[str]) -> list[str]:
    """Return the URLs of the companion files of `urls`."""
    return [each for url in urls if (reader := reader_of(url)) is not None for each in reader.files_beside(url)]


def look_up_part(file: SourceFile) -> Listed | None:
    """Return the current state of a file and its companion files; None if one is gone."""
    found = look_up(file.url)
    if found is None:
        return None
    try:
        return _with_files_beside(reader_named(file.reader), found)
    except _MissingBesideError:
        return None


def contents_of(reader: Reader, file: Listed) -> Contents:
    """Return the rows and columns that `reader` finds in a file.

    Raises
    ------
    SourceError
        The file cannot be read.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, _ = open_filesystem(file.url)
    with translate_errors(file.url, f"cannot be read by the reader {reader.name!r}", local=is_local(filesystem)):
        return reader.contents(file)


class _MissingBesideError(SourceError):
    """A companion file is missing."""


def _with_files_beside(reader: Reader, file: Listed) -> Listed:
    """Return a file with the sizes and versions of its companion files added."""
    size, versions = file.size, [file.version]
    for url in reader.files_beside(file.url):
        found = look_up(url)
        if found is None:
            raise _MissingBesideError(file.url, f"is read together with {url}, and there is no such file")
        size += found.size
        versions.append(f"{found.size}:{found.version}")
    return Listed(file.url, size, " ".join(versions))


def _made(entry: EntryPoint) -> Reader:
    try:
        reader: Reader = entry.load()()
    except Exception as error:
        package = f" of the package {entry.dist.name}" if entry.dist is not None else ""
        reason = f"the reader {entry.value}{package} cannot be made ({type(error).__name__}: {error})"
        raise SettingsError(ENTRY_POINTS, entry.name, f"{reason}; repair or uninstall it") from error
    return reader
