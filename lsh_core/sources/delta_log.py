"""Reads the files, columns and partition values of a Delta table's version.

`deltalake` reads the log. The log of a remote table is first copied, from its last checkpoint on, by the filesystem
that reads the data, so that one set of credentials serves both.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
import pyarrow as pa

from lsh_core.errors import MissingPackageError, SettingsError, SourceError
from lsh_core.partitions import NULL, Levels, partition_name
from lsh_core.sources.listing import is_local
from lsh_core.sources.partition_types import partition_type
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.table_places import DELTA, DELTA_LOG, TablePlace
from lsh_core.sources.tables import Table, TableFile, TableVersion, path_in_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?.*\.(?:parquet|json)")
_COPYING_THREADS = 16


def read_delta(place: TablePlace, version: str | None) -> Table:
    """Read a version of a Delta table; default: the latest.

    Raises
    ------
    MissingPackageError
        `deltalake` is not installed.
    SettingsError
        `version` is not a number, or the log has no such version.
    SourceError
        The log cannot be read, or the table uses an unsupported feature.
    SourceUnavailableError
        Its storage did not answer.
    """
    if version is not None and not version.isdecimal():
        raise SettingsError(
            "source_version", version, f"is no version of {place.url}: those of Delta tables are numbers"
        )
    wanted = None if version is None else int(version)
    with _local_log(place, wanted) as folder:
        table = _open(place, folder, wanted)
        try:
            _refuse_deleted_rows(place, table)
            types = _types(place, table)
            actions = pa.table(table.get_add_actions())
        except SourceError:
            raise
        except Exception as error:  # deltalake has errors of many kinds
            raise SourceError(place.url, f"its Delta log cannot be read: {error}") from error
        keys = list(table.metadata().partition_columns)
        names = [each["name"] for each in orjson.loads(table.schema().to_json())["fields"]]
        found = TableVersion(DELTA, str(table.version()))
    for key in keys:
        if partition_type(types[key]) is None:
            raise SourceError(place.url, f"partition column {key!r} is {types[key]}, which is not read here")
    return Table(
        root=place.url,
        version=found,
        files=tuple(_files(place, actions, keys)),
        columns=frozenset(names),
        types={key: types[key] for key in keys},
        only_in_log=frozenset(keys),
    )


def _open(place: TablePlace, folder: str, wanted: int | None) -> DeltaTable:
    try:
        from deltalake import DeltaTable
    except ImportError as error:
        raise MissingPackageError(
            "deltalake",
            f"{place.url}, a Delta table,",
            "pip install 'airlsh[delta]'; or write the table as plain Parquet, and give that",
        ) from error
    try:
        return DeltaTable(folder, version=wanted)
    except Exception as error:  # deltalake has errors of many kinds
        if wanted is not None:
            latest = _latest(place)
            reason = f"{place.url} cannot be read at this version any more: {error}"
            if latest is not None and wanted > latest:
                reason = f"{place.url} has versions up to {latest}"
            raise SettingsError("source_version", str(wanted), reason) from error
        raise SourceError(place.url, f"its Delta log cannot be read: {error}") from error


def _latest(place: TablePlace) -> int | None:
    with translate_errors(place.url, "its Delta log cannot be listed", local=is_local(place.filesystem)):
        listed = place.filesystem.ls(f"{place.root}/{DELTA_LOG}", detail=False)
    names = (path.rpartition("/")[2] for path in listed)
    return max((int(found[1]) for name in names if (found := _COMMIT.fullmatch(name))), default=None)


def _files(place: TablePlace, actions: pa.Table, keys: list[str]) -> Iterator[TableFile]:
    facts: list[dict[str, Any]] = actions.select(["path", "size_bytes"]).to_pylist()
    flat = actions.select(["partition"]).flatten() if keys else actions
    texts = {key: _as_text(flat[f"partition.{key}"].combine_chunks()) for key in keys}
    for number, fact in enumerate(facts):
        levels: Levels = tuple((key, NULL if (text := texts[key][number]) is None else text) for key in keys)
        location = unquote(fact["path"])
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/|/", location):
            location = f"{place.root.rstrip('/')}/{location}"
        yield TableFile(_path(place, location), fact["size_bytes"], levels, partition_name(levels))


def _path(place: TablePlace, location: str) -> str:
    inside = location.startswith(f"{place.root.rstrip('/')}/") and ".." not in location.split("/")
    return location if inside else path_in_table(place.filesystem, place.root, location)


def _as_text(column: Any) -> list[str | None]:
    return [None if text == "" else text for text in column.cast(pa.string()).to_pylist()]


def _refuse_deleted_rows(place: TablePlace, table: DeltaTable) -> None:
    """Raise `SourceError` if files have deletion vectors. A table that allows them may have none."""
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return
    try:
        any_deleted = any(batch.num_rows for batch in pa.RecordBatchReader.from_stream(table.deletion_vectors()))
    except Exception:  # The deletion vectors of a copied log exist but cannot be read.
        any_deleted = True
    if any_deleted:
        raise SourceError(
            place.url,
            "has deletion vectors: rows of its files that are deleted, and would be read; write them out of the files "
            "(in Spark: REORG TABLE ... APPLY (PURGE)), or copy the table",
        )


def _types(place: TablePlace, table: DeltaTable) -> dict[str, str]:
    """Return the types of the columns; raise `SourceError` if the files name columns differently."""
    schema = orjson.loads(table.schema().to_json())
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        for name, physical in _physical_names(schema):
            if name != physical:
                raise SourceError(
                    place.url,
                    f"column {name!r} is {physical!r} in its files (column mapping), which is not read here; copy the "
                    "table without delta.columnMapping.mode, or write it as plain Parquet",
                )
    return {each["name"]: str(each["type"]) for each in schema["fields"]}


def _physical_names(type_: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(type_, Mapping):
        return
    for field in type_.get("fields", ()):
        yield field["name"], field["metadata"].get("delta.columnMapping.physicalName", field["name"])
        yield from _physical_names(field["type"])
    for inner in ("elementType", "keyType", "valueType"):
        yield from _physical_names(type_.get(inner))


@contextmanager
def _local_log(place: TablePlace, wanted: int | None) -> Iterator[str]:
    """Yield a local folder with the log of the table."""
    if is_local(place.filesystem):
        yield place.root
        return
    with tempfile.TemporaryDirectory(prefix="airlsh-delta-") as folder:
        with translate_errors(place.url, "its Delta log cannot be copied", local=False):
            _copy_log(place, wanted, folder)
        yield folder


def _copy_log(place: TablePlace, wanted: int | None, folder: str) -> None:
    filesystem, log = place.filesystem, f"{place.root}/{DELTA_LOG}"
    filesystem.invalidate_cache(log)
    found = {path.rpartition(f"{DELTA_LOG}/")[2]: path for path in filesystem.find(log)}

    def copy(name: str) -> None:
        target = Path(folder, DELTA_LOG, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(filesystem.cat_file(found[name]))

    with ThreadPoolExecutor(_COPYING_THREADS) as pool:
        list(pool.map(copy, _needed(found, wanted)))


def _needed(names: Mapping[str, str], wanted: int | None) -> list[str]:
    """Return the log files from the last complete checkpoint that is not after `wanted`."""
    parts: dict[int, list[tuple[str, str | None]]] = {}
    for name in names:
        if (found := _CHECKPOINT.fullmatch(name)) and (wanted is None or int(found[1]) <= wanted):
            parts.setdefault(int(found[1]), []).append((name, found[3]))
    whole = [number for number, of in parts.items() if any(n is None or len(of) >= int(n) for _, n in of)]
    start = max(whole, default=-1)
    kept = [name for name, _ in parts.get(start, ())] + [name for name in names if name.startswith("_sidecars/")]
    return kept + [name for name in names if (found := _COMMIT.fullmatch(name)) and int(found[1]) >= start]
