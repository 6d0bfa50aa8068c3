"""Names of nested fields that the server cannot have."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from lsh_core.builds.field_limits import check_nested_names
from lsh_core.errors import SchemaError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "column 'm' has a field without a name in 'm': rename it"),
        (" . ", "column 'm' has a field without a name in 'm': rename it"),
        ("a..b", "column 'm' has a field 'a..b' in 'm', whose name has an empty part: rename it"),
    ],
)
def test_a_field_without_a_whole_name_is_refused(name: str, said: str) -> None:
    schema = pa.schema([("m", pa.struct([(name, pa.int64())]))])
    with pytest.raises(SchemaError, match=re.escape(said)):
        check_nested_names("rows.parquet", schema)
