"""Reads ids, kept columns and encoder inputs of the rows of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from lsh_core.errors import SourceError
from lsh_core.features.image_loading import Payload, Pointer
from lsh_core.features.row_columns import RowColumns
from lsh_core.features.template import TextTemplate
from lsh_core.features.template_values import exact_values
from lsh_core.redaction import escape_non_utf8
from lsh_core.sources.arrays import Column
from lsh_core.sources.common_types import is_text
from lsh_core.sources.fitting import fit
from lsh_core.sources.identifiers import read_identifiers
from lsh_core.sources.image_rows import IMAGE_SCHEMA, image_file
from lsh_core.sources.nested_faults import Reason
from lsh_core.sources.reading import read_pieces, read_span
from lsh_core.sources.source_file import Chunk, SourceFile, Span
from lsh_core.sources.texts import text_faults

_BYTES, _PATH = "bytes", "path"

Input = str | Payload | Reason
"""A text, an image to load, or an error."""


@dataclass
class ChunkRows:
    """Rows of one chunk.

    Attributes
    ----------
    kept
        The columns that are written, without the vector.
    inputs
        Encoder inputs of the rows, in order; an archive is read as the iterator advances.
    """

    file: SourceFile
    chunk: Chunk
    ids: list[str | None]
    kept: pa.Table
    inputs: Iterator[Input]

    def place(self, row: int) -> tuple[str, int]:
        """Return the file of a row of the chunk, and its row there."""
        return (self.chunk.members[row].url, 0) if self.file.is_folder else (self.file.url, self.chunk.start + row)


def read_rows(span: Span, columns: RowColumns) -> Iterator[ChunkRows]:
    """Yield the rows of the chunks of a span, in order.

    Raises
    ------
    SourceChangedError
        The file differs from the planned one.
    SourceError
        It cannot be read.
    SourceUnavailableError
        The storage did not answer.
    """
    has_columns = columns.template is not None or columns.image is not None
    return _column_rows(span, columns) if has_columns else _member_rows(span, columns)


def columns_read(columns: RowColumns) -> list[str]:
    """Return the columns to read of a Parquet source, each once."""
    wanted = (columns.id, *(columns.kept.names), *template_columns(columns))
    return list(dict.fromkeys((*wanted, columns.image) if columns.image else wanted))


def template_columns(columns: RowColumns) -> tuple[str, ...]:
    """Return the columns of a row's text."""
    return TextTemplate.parse(columns.template).columns if columns.template is not None else ()


def _column_rows(span: Span, columns: RowColumns) -> Iterator[ChunkRows]:
    for chunk, table in read_span(span.file, span.chunks, columns_read(columns)):
        identifiers = read_identifiers(table.column(columns.id))
        inputs = _texts(table, columns) if columns.template is not None else _images(table.column(str(columns.image)))
        kept, misfits = _kept(table, columns, identifiers.ids)
        refused = {**misfits, **identifiers.refused}
        given = (refused.get(row, each) for row, each in enumerate(inputs))
        yield ChunkRows(span.file, chunk, identifiers.ids, kept, given)


def _kept(table: pa.Table, columns: RowColumns, ids: Sequence[str | None]) -> tuple[pa.Table, dict[int, Reason]]:
    """Return the written columns with their common types, and the rows with inexact values."""
    given = table.select(columns.kept.names)
    # The ids are texts in some files only.
    if given.schema.field(columns.id).type != columns.kept.field(columns.id).type:
        texts = pa.array(ids, columns.kept.field(columns.id).type)
        given = given.set_column(given.schema.get_field_index(columns.id), columns.id, texts)
    fitted = fit(given, columns.kept)
    return fitted.table.cast(columns.kept), fitted.reasons


def _texts(table: pa.Table, columns: RowColumns) -> Iterator[Input]:
    template = TextTemplate.parse(str(columns.template))
    bad: dict[int, Reason] = {}
    for name in template.columns:
        for row, fault in text_faults(table.column(name)).items():
            bad.setdefault(row, ("text_not_utf8", f"column {name!r} holds a text that is not UTF-8: {fault}"))
    used = table.select(template.columns)
    rows = [row for row in range(len(table)) if row not in bad]
    if bad:
        used = used.take(pa.array(rows, pa.int64()))
    values: dict[str, list[object]] = {}
    for name in template.columns:
        values[name], faults = exact_values(used.column(name))
        for place, fault in faults.items():
            bad.setdefault(rows[place], ("value_without_text", f"column {name!r} {fault}"))
    each = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    texts = dict(zip(rows, template.render(each), strict=True))
    for row in range(len(table)):
        if row in bad:
            yield bad[row]
            continue
        text = texts[row]
        yield ("null_text", f"{', '.join(map(repr, template.columns))}: null or blank") if text is None else text


def holds_bytes(type_: pa.DataType) -> bool:
    """Return whether a column of images holds their bytes: alone, or as a field of a struct."""
    return _is_bytes(_field_type(type_, _BYTES) if isinstance(type_, pa.StructType) else type_)


def holds_paths(type_: pa.DataType) -> bool:
    """Return whether a column of images holds paths or URLs: alone, or in a struct beside bytes.

    Datasets of Hugging Face have such structs; the path counts where the bytes are null.
    """
    if isinstance(type_, pa.StructType):
        return holds_bytes(type_) and holds_paths(_field_type(type_, _PATH))
    return is_text(type_)


def _field_type(type_: pa.StructType, name: str) -> pa.DataType:
    return type_.field(name).type if type_.get_field_index(name) >= 0 else pa.null()


def _is_bytes(type_: pa.DataType) -> bool:
    return types.is_binary(type_) or types.is_large_binary(type_)


def _images(column: Column) -> Iterator[Input]:
    data: Column | None = column if holds_bytes(column.type) else None
    paths: Column | None = column if holds_paths(column.type) else None
    if isinstance(column.type, pa.StructType):
        data = pc.struct_field(column, _BYTES)
        paths = None if paths is None else pc.struct_field(column, _PATH)
    bad = {} if paths is None else text_faults(paths)
    for row in range(len(column)):
        content = None if data is None else data[row].as_py()
        if content is not None:
            yield content
        elif row in bad:
            yield "image_not_found", f"the path is not UTF-8: {bad[row]}"
        else:
            path = None if paths is None else paths[row].as_py()
            if path is None:
                yield "null_image", "the image is null"
            else:
                yield Pointer(path) if path.strip() else ("null_image", "the path is empty")


def _member_rows(span: Span, columns: RowColumns) -> Iterator[ChunkRows]:
    file = span.file
    prefix = "" if file.is_folder else archive_prefix(file.url, columns.base)
    pieces = read_pieces(file, span.chunks, IMAGE_SCHEMA.names)
    rows = (row for piece in pieces for row in piece.to_pylist())
    for chunk in span.chunks:
        names = (each.url.removeprefix(columns.base) if file.is_folder else each.url for each in chunk.members)
        # Images are read in order, as the inputs are consumed in order.
        yield _of_paths(file, chunk, columns, [prefix + name for name in names], _members(file, chunk, rows))


def _members(file: SourceFile, chunk: Chunk, rows: Iterator[Mapping[str, Any]]) -> Iterator[Input]:
    for row in range(chunk.rows):
        found = next(rows, None)
        if found is None:
            raise SourceError(file.url, f"ends before row {chunk.start + row:,}, but {file.rows:,} rows were planned")
        yield _image(found)


def _image(row: Mapping[str, Any]) -> Input:
    """Return the input of a row of `lsh_core.sources.image_rows`."""
    if row["error"] is not None:
        return row["error"], row["reason"]
    if row["url"] is not None:
        return image_file(row["url"], row["size"], row["version"])
    data: bytes = row["image"]
    return data


def _of_paths(
    file: SourceFile, chunk: Chunk, columns: RowColumns, ids: list[str], images: Iterator[Input]
) -> ChunkRows:
    told = [escape_non_utf8(each) for each in ids]
    column = pa.array(told, pa.string())
    identifiers = read_identifiers(column)
    for row, name in enumerate(ids):
        if name != told[row]:
            identifiers.refused[row] = ("id_not_utf8", f"the id is not UTF-8: it is the path {name!r}")
    given = (identifiers.refused.get(row, each) for row, each in enumerate(images))
    return ChunkRows(file, chunk, identifiers.ids, pa.table([column], schema=columns.kept), given)


def archive_prefix(url: str, base: str) -> str:
    """Return the prefix of names in an archive: its path in the source, or empty if it is the source."""
    return f"{url.removeprefix(base)}/" if url != base and url.startswith(base) else ""
