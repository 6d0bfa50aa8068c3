"""Tables of the command line: a header, and columns that line up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> None:
    """Print a header and rows, each column as wide as its widest cell; nothing where there are no rows.

    Parameters
    ----------
    right
        Columns whose cells are aligned to the right, as numbers are.
    """
    if not rows:
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for cells in (columns, *rows):
        line = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        click.echo("  ".join(line).rstrip())
