"""Facts of a source for reports: format, version, and left-out files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from lsh_core.json_form import JsonForm
from lsh_core.sources.left_out import LeftOut, left_out_sentence


@dataclass(frozen=True, kw_only=True)
class SourceFacts(JsonForm):
    """Format, version and left-out files of a source.

    Attributes
    ----------
    source_format
        ``files``, or the format of the table.
    source_version
        Version of the table; None for plain files.
    left_out, left_out_names
        Number of files that were not read, and the first of their names.
    """

    source_format: str | None = None
    source_version: str | None = None
    left_out: int | None = None
    left_out_names: Sequence[str] | None = None

    @classmethod
    def of(cls, format_: str, version: str | None, left_out: LeftOut) -> Self:
        """Return the facts of one source."""
        return cls(
            source_format=format_, source_version=version, left_out=left_out.count, left_out_names=left_out.names
        )


def source_lines(facts: SourceFacts) -> Iterator[str]:
    """Yield report lines for the table's version and the left-out files."""
    if facts.source_version is not None:
        kind = "snapshot" if facts.source_format == "iceberg" else "version"
        yield f"  source     {facts.source_format} table, {kind} {facts.source_version}"
    if facts.left_out:
        yield f"  left out   {left_out_sentence(facts.left_out, facts.left_out_names or ())}"
