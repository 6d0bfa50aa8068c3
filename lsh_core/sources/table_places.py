"""Finds the table that a URL names, contains, or lies in.

A log beside or above the files decides which files belong to the table. Without it, removed rows would come back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import fsspec
from fsspec.utils import glob_translate

from lsh_core.errors import SourceError
from lsh_core.sources.listing import before_wildcards, is_glob, is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors

DELTA, ICEBERG = "delta", "iceberg"
METADATA = ".metadata.json"
DELTA_LOG = "_delta_log"
_LOGS = {
    DELTA_LOG: "Delta table",
    ".hoodie": "Hudi table",
    "_spark_metadata": "sink of Spark's structured streaming",
}
_REFUSED = {
    ".hoodie": "write it as a Delta or Iceberg table, or as plain Parquet (df.write.parquet), and give that",
    "_spark_metadata": "only files that its _spark_metadata lists count: read it with Spark, and write it as plain "
    "Parquet or a Delta table",
}
_UNFINISHED = re.compile(r"_temporary|\.spark-staging-.*|\.hive-staging.*")
# Hive writes these numbers with seven digits or more.
_ACID = re.compile(r"base_\d{7,}(_v\d+)?|(delete_)?delta_\d{7,}_\d{7,}(_\d+)?(_v\d+)?")
_KINDS = {DELTA: "Delta table", ICEBERG: "Iceberg table"}
_LOOKING_THREADS = 16
_WITHOUT_FOLDERS = {"http", "https"}


@dataclass(frozen=True)
class TablePlace:
    """A table, and the part of it that a URL names.

    Attributes
    ----------
    root
        Path of the table's folder.
    metadata
        Path of an Iceberg metadata file, if the URL names one.
    """

    format: str
    filesystem: fsspec.AbstractFileSystem
    root: str
    url: str
    metadata: str | None
    means: Callable[[str], bool]


def table_place(url: str) -> TablePlace | None:
    """Return the table that `url` names or lies in; None for plain files.

    Raises
    ------
    SourceError
        The table has an unsupported format.
    SourceUnavailableError
        Its storage did not answer.
    """
    filesystem, path = open_filesystem(url)
    protocols = {filesystem.protocol} if isinstance(filesystem.protocol, str) else set(filesystem.protocol)
    if protocols & _WITHOUT_FOLDERS:
        return None
    with translate_errors(url, "cannot be looked up", local=is_local(filesystem)):
        if path.endswith(METADATA):
            root = path.rpartition("/")[0].rpartition("/")[0]
            return _place(ICEBERG, filesystem, root, path, lambda _: True)
        glob = is_glob(filesystem, path)
        start = before_wildcards(path) if glob else path
        for folder in _upwards(start.rstrip("/")):
            if (format_ := _format_of(filesystem, folder, url)) is not None:
                return _place(format_, filesystem, folder, None, _meaning(path.rstrip("/"), glob))
    return None


def refuse_tables_below(url: str, names: Iterable[str], base: str) -> None:
    """Raise `SourceError` if a folder holds tables, or files of an unfinished job.

    Parameters
    ----------
    names
        Paths of all entries, hidden names included; folders have a slash at the end.
    """
    tables: dict[str, set[str]] = {}
    for name in names:
        relative = name[len(base) :] if name.startswith(base) else name
        parts = [part for part in relative.split("/") if part]
        folders = parts if name.endswith("/") else parts[:-1]
        for place, part in enumerate(folders):
            kind = _LOGS.get(part) or ("unfinished" if _UNFINISHED.fullmatch(part) else None)
            kind = kind or ("ACID table of Hive" if _ACID.fullmatch(part) else None)
            if kind:
                tables.setdefault(kind, set()).add("/".join(parts[:place]) or ".")
        if len(parts) > 1 and parts[-2] == "metadata" and parts[-1].endswith(METADATA):
            tables.setdefault("Iceberg table", set()).add("/".join(parts[:-2]) or ".")
        if parts and any(part.endswith(".lance") for part in parts):
            tables.setdefault("Lance dataset", set()).add("/".join(parts[:-1]) or ".")
    if tables:
        raise _refusal(url, tables)


def refuse_tables_around(url: str, files: Iterable[str], base: str) -> None:
    """Raise `SourceError` if files of a glob lie in tables, whose logs it cannot show."""
    filesystem, _ = open_filesystem(url)
    folders = {each for file in files for each in _upwards(file.rpartition("/")[0]) if len(each) >= len(base)}
    with (
        translate_errors(url, "cannot be looked up", local=is_local(filesystem)),
        ThreadPoolExecutor(_LOOKING_THREADS) as pool,
    ):
        formats = pool.map(lambda folder: _format_of(filesystem, folder, url), sorted(folders))
        tables: dict[str, set[str]] = {}
        for folder, format_ in zip(sorted(folders), formats, strict=True):
            if format_ is not None:
                tables.setdefault(_KINDS[format_], set()).add(folder[len(base) :])
    if tables:
        raise _refusal(url, tables)


def _refusal(url: str, tables: dict[str, set[str]]) -> SourceError:
    kind, places = min(tables.items())
    shown = ", ".join(sorted(places)[:5])
    if "unfinished" in tables:
        shown = ", ".join(sorted(tables["unfinished"])[:5])
        return SourceError(
            url,
            f"a job of Spark or Hive is writing into it, or was killed (there is a _temporary or staging folder in "
            f"{shown}): wait until it has ended, or delete that folder",
        )
    if kind in ("Delta table", "Iceberg table"):
        return SourceError(url, f"is no table, but holds {kind}s ({shown}): give one of them")
    return SourceError(
        url,
        f"holds an {kind} ({shown}), whose files are more than its rows: write it as a Delta or Iceberg table, or as "
        "plain Parquet, and give that"
        if kind.startswith("A")
        else f"holds a {kind} ({shown}), which is not read: write it as Parquet, or as a Delta or Iceberg table",
    )


def _place(
    format_: str, filesystem: fsspec.AbstractFileSystem, root: str, metadata: str | None, means: Callable[[str], bool]
) -> TablePlace:
    url = root if is_local(filesystem) else str(filesystem.unstrip_protocol(root))
    return TablePlace(format_, filesystem, root, url, metadata, means)


def _format_of(filesystem: fsspec.AbstractFileSystem, folder: str, url: str) -> str | None:
    if _names_in(filesystem, f"{folder}/{DELTA_LOG}"):
        return DELTA
    if any(name.endswith(METADATA) for name in _names_in(filesystem, f"{folder}/metadata")):
        return ICEBERG
    for log, remedy in _REFUSED.items():
        if _names_in(filesystem, f"{folder}/{log}"):
            raise SourceError(url, f"{folder} is a {_LOGS[log]}, which is not read: {remedy}")
    if any(name.endswith(".manifest") for name in _names_in(filesystem, f"{folder}/_versions")):
        raise SourceError(url, f"{folder} is a Lance dataset, which is not read: write it as Parquet, and give that")
    if _ACID.fullmatch(PurePosixPath(folder).name):
        raise SourceError(
            url,
            f"{folder} is a part of an ACID table of Hive, whose files are more than its rows: write it as a Delta or "
            "Iceberg table, or as plain Parquet, and give that",
        )
    return None


def _names_in(filesystem: fsspec.AbstractFileSystem, folder: str) -> list[str]:
    """Return the names in a folder; empty if it is missing or may not be listed."""
    if is_local(filesystem):
        try:
            return os.listdir(folder)
        except OSError:
            return []
    try:
        filesystem.invalidate_cache(folder)
        return [each.rstrip("/").rpartition("/")[2] for each in filesystem.ls(folder, detail=False)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _upwards(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _meaning(path: str, glob: bool) -> Callable[[str], bool]:
    if not glob:
        return lambda file: file == path or file.startswith(f"{path}/")
    pattern = re.compile(glob_translate(path))
    return lambda file: any(pattern.match(each) for each in _upwards(file))
