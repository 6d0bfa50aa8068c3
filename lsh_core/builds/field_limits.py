"""Limits of the server on the fields of an index, found before anything is written. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from lsh_core.elastic.inheritance import paths_with_implied_objects
from lsh_core.errors import SchemaError, SourceError
from lsh_core.sources.arrays import AnyType
from lsh_core.sources.plain_types import is_list

MOST_FIELDS = 10_000
"""Fields of an index, objects and multi-fields counted; each costs memory on every node that holds a shard."""
MOST_LEVELS = 20
"""Objects in objects, as the server allows by default."""
SPARE_FIELDS = 1_000
"""Fields that live changes may add."""

_REMEDY = "rename it, or leave the column out with --columns"


def check_nested_names(source: str, schema: pa.Schema) -> None:
    """Raise `SchemaError` for a struct whose fields the server cannot tell apart, or cannot name."""
    for column in schema:
        _check_type(source, column.name, column.name, column.type, levels=column.name.count(".") + 1)


def check_field_count(source: str, mappings: Mapping[str, Any]) -> None:
    """Raise `SourceError` where the columns would make more fields than `MOST_FIELDS`."""
    count = field_count(mappings)
    if count > MOST_FIELDS:
        raise SourceError(
            source,
            f"makes {count:,} fields, and an index may have {MOST_FIELDS:,}: choose fewer columns with --columns",
        )


def field_count(mappings: Mapping[str, Any]) -> int:
    """Return the number of fields of a mapping, as the server counts them: objects and multi-fields too."""
    paths = paths_with_implied_objects(mappings.get("properties", {}))
    return len(paths) + sum(len(definition.get("fields", {})) for definition in paths.values())


def _check_type(source: str, column: str, path: str, arrow: AnyType, *, levels: int) -> None:
    if levels > MOST_LEVELS:
        raise SchemaError(
            source,
            column,
            f"is nested deeper than the {MOST_LEVELS} levels that Elasticsearch maps: flatten it, or leave the column "
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
    """Return the names of the objects that a dotted name is inside of: ``a.b.c`` is inside ``a`` and ``a.b``."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))
