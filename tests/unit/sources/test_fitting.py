"""Tables whose columns are fitted to the types that all files share."""

from __future__ import annotations

import pyarrow as pa

from lsh_core.sources.fitting import fit


def test_a_table_that_fits_is_not_made_again() -> None:
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    assert fit(table, table.schema).table is table


def test_a_value_that_the_type_does_not_hold_is_a_reason() -> None:
    table = pa.table({"a": pa.array([1, 2**53 + 1], pa.int64())})
    fitted = fit(table, pa.schema([("a", pa.float64())]))
    assert fitted.table["a"].to_pylist() == [1.0, None]
    ((row, (kind, sentence)),) = fitted.reasons.items()
    assert (row, kind) == (1, "value_not_exact")
    assert sentence.startswith("column 'a' holds 9007199254740993, which double does not hold exactly")
