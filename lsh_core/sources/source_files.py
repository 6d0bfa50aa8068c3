"""Finds the files of a source by listing or by a table's log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lsh_core.errors import MissingPackageError, SettingsError, SourceError, SourceMissingError
from lsh_core.partitions import partition_of
from lsh_core.sources.left_out import NONE_LEFT_OUT, LeftOut
from lsh_core.sources.listing import Listed, is_glob, is_local, list_source, look, look_up, open_filesystem
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.table_places import (
    DELTA,
    DELTA_LOG,
    TablePlace,
    refuse_tables_around,
    refuse_tables_below,
    table_place,
)
from lsh_core.sources.tables import Table, TableFile


@dataclass(frozen=True)
class SourceFiles:
    """Files of a source: plain files, or files of a table.

    Attributes
    ----------
    plain
        Listed files; empty for a table.
    of_table
        Files of the table by their URLs.
    """

    plain: tuple[Listed, ...] = ()
    left_out: LeftOut = NONE_LEFT_OUT
    table: Table | None = None
    of_table: tuple[tuple[str, TableFile], ...] = ()

    @property
    def partitions(self) -> frozenset[str]:
        """Names of the partitions of all files; empty without partitions."""
        names = (*(partition_of(file.url) for file in self.plain), *(file.partition for _, file in self.of_table))
        return frozenset(name for name in names if name)

    def of_partition(self, name: str) -> SourceFiles:
        """Return the source limited to the files of one partition."""
        plain = tuple(file for file in self.plain if partition_of(file.url) == name)
        of_table = tuple((url, file) for url, file in self.of_table if file.partition == name)
        return replace(self, plain=plain, of_table=of_table)


def source_files(url: str, version: str | None = None) -> SourceFiles:
    """Find the files of a source, for tables by their log.

    Parameters
    ----------
    version
        Delta: number of a version. Iceberg: id of a snapshot, or name of a branch or a tag. Default: the latest.

    Raises
    ------
    SourceMissingError
        Nothing is there.
    SourceError
        The source cannot be listed, or is a table with an unsupported feature.
    SettingsError
        A version is given for plain files, or does not exist.
    MissingPackageError
        The package that reads the table's log is not installed.
    SourceUnavailableError
        Its storage did not answer.
    """
    place = table_place(url)
    if place is not None:
        return _of_table(url, place, version)
    if version is not None:
        raise SettingsError("source_version", version, f"{url} is no Delta or Iceberg table, so it has no versions")
    listing = list_source(url)
    refuse_tables_below(url, listing.names, listing.base)
    filesystem, path = open_filesystem(url)
    if is_glob(filesystem, path):
        refuse_tables_around(url, listing.names, listing.base)
    return SourceFiles(plain=listing.files, left_out=listing.left_out)


def table_files(url: str, version: str | None = None) -> list[str]:
    """Return the locations of a table's log and files; None for plain files."""
    place = table_place(url)
    if place is None:
        return []
    logs = [f"{place.root}/{DELTA_LOG}", f"{place.root}/metadata"]
    with translate_errors(url, "cannot be listed", local=is_local(place.filesystem)):
        there = [log for log in logs if look(place.filesystem, log) is not None]
        found = [path for log in there for path in (log, *place.filesystem.find(log))]
    return [*found, *(each for each, _ in _of_table(url, place, version).of_table)]


def look_up_in_table(url: str, file: TableFile, table: Table) -> Listed:
    """Return the current state of a file of a table.

    Raises
    ------
    SourceError
        The file is gone, or its size differs from the log.
    """
    found = look_up(url)
    if found is None:
        raise SourceError(
            url,
            f"is gone, though {table.version} of {table.root} has it: it was deleted since, as VACUUM or the expiry of "
            "snapshots do; read a later version",
        )
    if found.size != file.size:
        raise SourceError(url, f"has {found.size:,} bytes, and {file.size:,} by the log of {table.root}")
    return found


def _of_table(url: str, place: TablePlace, version: str | None) -> SourceFiles:
    table = _read(place, version)
    meant = sorted((file for file in table.files if place.means(file.path)), key=lambda file: file.path)
    if not table.files:
        raise SourceMissingError(url, f"{table.version} of {table.root} has no files")
    if not meant:
        raise SourceError(
            url,
            f"names no file of {table.root} at {table.version}: it was removed from the table, or was never in it; "
            "give the table",
        )
    filesystem, _ = open_filesystem(url)
    local = is_local(filesystem)
    files = tuple((file.path if local else str(filesystem.unstrip_protocol(file.path)), file) for file in meant)
    return SourceFiles(table=table, of_table=files)


def _read(place: TablePlace, version: str | None) -> Table:
    if place.format == DELTA:
        from lsh_core.sources.delta_log import read_delta

        return read_delta(place, version)
    try:
        from lsh_core.sources.iceberg_metadata import read_iceberg
    except ImportError as error:
        raise MissingPackageError(
            "pyiceberg",
            f"{place.url}, an Iceberg table,",
            "pip install 'airlsh[iceberg]'; or write the table as plain Parquet, and give that",
        ) from error
    return read_iceberg(place, version)
