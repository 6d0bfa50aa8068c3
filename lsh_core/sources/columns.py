"""Whether the id and vector columns of a source can be used, said before any work is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError
from lsh_core.sources.dataset import Dataset
from lsh_core.sources.encoded_by import EncodedBy
from lsh_core.sources.identifiers import check_id_type
from lsh_core.sources.reading import open_parquet
from lsh_core.sources.vectors import as_list_array, list_shape

_ROWS_FOR_DIMS = 1_000


@dataclass(frozen=True)
class SourceColumns:
    """The columns of a source that are used.

    Attributes
    ----------
    id, vector
        Names of the columns with the ids and the vectors.
    dims
        Numbers of a vector.
    others
        The other columns that are kept, partition columns among them.
    encoder
        What made the vectors, where the files say so.
    """

    id: str
    vector: str
    dims: int
    others: pa.Schema
    encoder: EncodedBy | None = None


def check_columns(dataset: Dataset, *, id: str, vector: str, columns: Sequence[str] | None = None) -> SourceColumns:
    """Check that the columns exist and have types that can be indexed.

    Parameters
    ----------
    columns
        Other columns to keep; None keeps all.

    Returns
    -------
    SourceColumns
        ``dims`` is the type's own where the vectors are fixed-size lists, else the most frequent
        length among the first rows that hold a vector.

    Raises
    ------
    SchemaError
        A column is missing or of a type that cannot be used.
    """
    if id == vector:
        raise SchemaError(dataset.url, id, "cannot be both the id and the vector")
    check_id_type(_field(dataset, id).type, where=dataset.url, column=id)
    type_ = _check_vector(dataset, vector)
    kept = [name for name in dataset.schema.names if name not in (id, vector)]
    if columns is not None:
        for name in columns:
            _field(dataset, name)
        kept = [name for name in kept if name in columns]
    others = pa.schema([dataset.schema.field(name) for name in kept])
    dims = type_.list_size if isinstance(type_, pa.FixedSizeListType) else _dims_from_rows(dataset, vector)
    if dims < 1:
        raise SchemaError(dataset.url, vector, f"is {type_}: its vectors have no numbers")
    made_them = dataset.encoder is not None and dataset.encoder.column == vector
    return SourceColumns(id, vector, dims, others, dataset.encoder if made_them else None)


def _field(dataset: Dataset, name: str) -> pa.Field[Any]:
    if name not in dataset.schema.names:
        raise SchemaError(dataset.url, name, f"does not exist; there are {', '.join(dataset.schema.names)}")
    return dataset.schema.field(name)


def _check_vector(dataset: Dataset, name: str) -> pa.DataType:
    type_: pa.DataType = _field(dataset, name).type
    if not _is_list_of_floats(type_):
        raise SchemaError(
            dataset.url,
            name,
            f"is {type_}; vectors must be lists (list, large_list or fixed_size_list) of float16, float32 or float64",
        )
    return type_


def _is_list_of_floats(type_: pa.DataType) -> bool:
    if isinstance(type_, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return types.is_floating(type_.value_type)
    return False


def _dims_from_rows(dataset: Dataset, vector: str) -> int:
    """Take the most frequent length: one row of a wrong length must not decide for all others."""
    for file in dataset.files:
        if not file.rows:
            continue
        with open_parquet(file.url, file.size) as parquet:
            for batch in parquet.iter_batches(_ROWS_FOR_DIMS, columns=[vector], use_threads=False):
                lengths = list_shape(as_list_array(batch.column(vector))).lengths
                counts = Counter(lengths[lengths > 0].tolist())
                if counts:
                    return int(counts.most_common(1)[0][0])
    raise SchemaError(dataset.url, vector, "holds no vector in any row, so its number of dimensions is unknown")
