"""Casts columns of live rows to the types of their build. Pure: no I/O."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError, SourceError
from lsh_core.sources.arrays import AnyType
from lsh_core.sources.common_types import common_type, is_moment, is_text
from lsh_core.sources.fitting import fit
from lsh_core.sources.plain_types import is_list


def fit_to_build(table: pa.Table, build: pa.Schema, where: str, first_row: int) -> pa.Table:
    """Return live rows with the column types of the build.

    So a value has the same meaning as in the build.

    Parameters
    ----------
    table
        Live rows with plain columns.
    build
        Column types of the build; other columns are not changed.
    where, first_row
        Name of the source in errors, and the number of the first row in it.

    Raises
    ------
    SchemaError
        A column has no common type with the column of the build.
    SourceError
        The type of the build cannot hold a value exactly.
    """
    wanted = []
    for field in table.schema:
        if field.name not in build.names or _stays(field.type, build.field(field.name).type):
            continue
        own = build.field(field.name)
        if common_type(field.type, own.type) is None:
            reason = f"is {field.type}, and {own.type} in the index: write it as the index has it, or leave it out"
            raise SchemaError(where, field.name, reason)
        if (unknown := _unknown_part(field.type, own.type)) is not None:
            raise SchemaError(where, field.name, f"has the part {unknown!r}, which the index lacks: leave it out")
        wanted.append(own)
    fitted = fit(table, pa.schema(wanted), moments=False)
    if fitted.faults:
        row, (name, fault) = min(fitted.faults.items())
        raise SourceError(where, f"row {first_row + row}: column {name!r} {fault}; nothing of it written")
    return fitted.table


def _unknown_part(given: AnyType, build: AnyType) -> str | None:
    """Return a struct field of `given` that `build` lacks, as a dotted path, or None."""
    if is_list(given):
        return _unknown_part(given.value_type, build.value_type) if is_list(build) else None
    if not isinstance(given, pa.StructType) or not isinstance(build, pa.StructType):
        return None
    for field in given:
        if build.get_field_index(field.name) < 0:
            return str(field.name)
        if (unknown := _unknown_part(field.type, build.field(field.name).type)) is not None:
            return f"{field.name}.{unknown}"
    return None


def _stays(given: AnyType, build: AnyType) -> bool:
    """Return whether values are written without a cast.

    This holds for JSON numbers in a column of floats, and for text in a column of dates or times.
    """
    if types.is_floating(build):
        return bool(types.is_floating(given) or types.is_integer(given))
    return is_text(given) and (is_moment(build) or types.is_time(build))
