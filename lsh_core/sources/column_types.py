"""Types of one column over the files of a source."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from lsh_core.errors import SchemaError
from lsh_core.sources.common_types import common_type

_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


def is_pandas_index(name: str) -> bool:
    """Return whether a column has the name that pandas gives to an index without one."""
    return _PANDAS_INDEX.fullmatch(name) is not None


@dataclass(frozen=True)
class ColumnTypes:
    """One column over all files.

    Attributes
    ----------
    types
        Each plain type that the column has, and the first file that has it so.
    absent_from
        A file without the column; None if every file has it.
    """

    name: str
    types: tuple[tuple[pa.DataType, str], ...]
    absent_from: str | None = None

    @property
    def is_pandas_index(self) -> bool:
        """True for the unnamed index of a data frame, which pandas writes as a column."""
        return is_pandas_index(self.name)

    def seen(self, type_: pa.DataType, url: str) -> ColumnTypes:
        """Return the column with its type in one more file."""
        if any(type_ == known for known, _ in self.types):
            return self
        return ColumnTypes(self.name, (*self.types, (type_, url)), self.absent_from)

    def missing(self, url: str) -> ColumnTypes:
        """Return the column as absent from one more file."""
        return self if self.absent_from is not None else ColumnTypes(self.name, self.types, url)

    def common(self) -> pa.DataType:
        """Return the type that holds the values of all files.

        Raises
        ------
        SchemaError
            No type holds all values; the error names two files.
        """
        # Floats come first: a float type holds integers, and no decimal type holds floats.
        (merged, merged_from), *others = sorted(self.types, key=lambda each: not pa.types.is_floating(each[0]))
        for type_, url in others:
            wider = common_type(merged, type_)
            if wider is None:
                reason = (
                    f"is {type_}, but in {merged_from} it is {merged}, and no type holds both without loss; "
                    "write both with one type, or leave the column out (`airlsh index` and `features` have --columns)"
                )
                raise SchemaError(url, self.name, reason)
            if wider != merged:
                merged, merged_from = wider, url
        return merged

    def require_everywhere(self) -> None:
        """Raise `SchemaError` unless every file has the column."""
        if self.absent_from is not None:
            reason = f"is missing, but {self.types[0][1]} has it; every file needs it"
            raise SchemaError(self.absent_from, self.name, reason)
