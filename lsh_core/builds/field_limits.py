"""Checks the server's limits on the fields of an index. Pure: no I/O.

The checks run before anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from lsh_core.elastic.inheritance import paths_with_implied_objects
from lsh_core.errors import SchemaError, SourceError
from lsh_core.sources.arrays import AnyType
from lsh_core.sources.plain_types import is_list

MAX_FIELDS = 10_000
"""Maximum number of fields of an index, with objects and multi-fields. Each field costs memory on every node that holds
a shard.
"""
MAX_LEVELS = 20
"""Maximum depth of nested objects, as the server allows by default."""
SPARE_FIELDS = 1_000
"""Number of fields that live changes may add."""

_REMEDY = "rename it, or leave the column out with --columns"


def check_nested_names(source: str, schema: pa.Schema) -> None:
    """Raise `SchemaError` for a struct with field names that the server rejects or merges."""
    for column in schema:
        _check_type(source, column.name, column.name, column.type, levels=column.name.count(".") + 1)


def check_field_count(source: str, mappings: Mapping[str, Any]) -> None:
    """Raise `SourceError` if the columns make more fields than `MAX_FIELDS`."""
    count = field_count(mappings)
    if count > MAX_FIELDS:
        raise SourceError(
            source,
            f"makes {count:,} fields, and an index may have {MAX_FIELDS:,}: choose fewer columns with --columns",
        )


def field_count(mappings: Mapping[str, Any]) -> int:
    """Return the number of fields of a mapping, as the server counts them.

    Objects and multi-fields count as well.
    """
    paths = paths_with_implied_objects(mappings.get("properties", {}))
    return len(paths) + sum(len(definition.get("fields", {})) for definition in paths.values())


def _check_type(source: str, column: str, path: str, arrow: AnyType, *, levels: int) -> None:
    if levels > MAX_LEVELS:
        raise SchemaError(
            source,
            column,
            f"is nested deeper than the {MAX_LEVELS} levels that Elasticsearch maps: flatten it, or leave the column "
            "out with --columns",
        )
    while is_list(arrow):
        arrow = arrow.value_type
    if not pa.types.is_struct(arrow):
        return
    _check_names(source, column, path, [child.name for child in arrow])
    for child in arrow:
        deeper = levels + 1 + child.name.count(".")
        _check_type(source, column, f"{path}.{child.name}", child.type, levels=deeper)


def _check_names(source: str, column: str, path: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise SchemaError(source, column, f"has {count} fields named {name!r} in {path!r}: {_REMEDY}")
        if not all(part.strip() for part in name.split(".")):
            named = f"a field {name!r} in {path!r}, whose name has an empty part" if name.strip(" .") else None
            raise SchemaError(source, column, f"has {named or f'a field without a name in {path!r}'}: {_REMEDY}")
        if outer := next((each for each in _outer(name) if each in names), None):
            raise SchemaError(
                source,
                column,
                f"has a field {name!r} in {path!r}, which would be inside its field {outer!r}: {_REMEDY}",
            )


def _outer(name: str) -> Iterable[str]:
    """Return the names of the objects around a dotted name: ``a.b.c`` is inside ``a`` and ``a.b``."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))
