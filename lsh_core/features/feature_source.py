"""Source of a features run, checked before any work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError, SettingsError, SourceError
from lsh_core.features.chunk_planning import chunks_of_file, chunks_of_images, rows_per_chunk
from lsh_core.features.image_loading import absolute_place, check_places
from lsh_core.features.row_columns import RowColumns
from lsh_core.features.row_reading import holds_bytes, holds_paths
from lsh_core.features.template import TextTemplate
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.columns import check_id
from lsh_core.sources.dataset import Dataset, open_dataset
from lsh_core.sources.identifiers import common_id_type
from lsh_core.sources.image_rows import IMAGE_SCHEMA
from lsh_core.sources.listing import Listed, base_of, list_source
from lsh_core.sources.reader import Contents
from lsh_core.sources.readers import IMAGE_FOLDER, contents_of, reader_of
from lsh_core.sources.source_facts import SourceFacts
from lsh_core.sources.source_file import Chunk, SourceFile, Span
from lsh_core.sources.spans import plan_spans

logger = logging.getLogger(__name__)

SPANS_PER_PARALLELISM = 4


@dataclass(frozen=True)
class FeatureSource:
    """State of a source at its listing.

    Attributes
    ----------
    files
        Files with columns, or archives and the folder of image files.
    members
        Images of each archive and of the folder, by URL.
    facts
        Format, version and left-out files.
    """

    url: str
    columns: RowColumns
    files: tuple[SourceFile, ...] = ()
    members: dict[str, tuple[Listed, ...]] = field(default_factory=dict, repr=False)
    facts: SourceFacts = field(default_factory=SourceFacts)

    @property
    def rows(self) -> int:
        """Rows, or images, of all files."""
        return sum(file.rows for file in self.files)

    @property
    def modality(self) -> str:
        """Kind of input that the encoder must take: "text" or "image"."""
        return "text" if self.columns.template is not None else "image"

    @property
    def listed(self) -> list[Listed]:
        """Every file that is read, with the images in place of their folder."""
        found: list[Listed] = []
        for file in self.files:
            found += self.members[file.url] if file.is_folder else [Listed(file.url, file.size, file.version)]
        return found

    def chunks(self, fingerprint: str, *, chunk_rows: int | None, chunk_bytes: int) -> list[Chunk]:
        """Return all chunks in source order, archives before image files; `fingerprint` is the encoder's."""
        chunks: list[Chunk] = []
        for number, file in enumerate(self.files):
            members = self.members.get(file.url, ())
            if file.is_folder:
                planned = chunks_of_images(members, self.columns, fingerprint, chunk_rows)
            else:
                images = self.modality == "image"
                rows = rows_per_chunk(file, chunk_rows=chunk_rows, chunk_bytes=chunk_bytes, images=images)
                planned = chunks_of_file(file, self.columns, fingerprint, rows, members)
            chunks += [
                replace(chunk, number=chunk_number, file=number, first_row_number=file.first_row_number + chunk.start)
                for chunk_number, chunk in enumerate(planned, len(chunks))
            ]
        return chunks

    def spans(self, chunks: Sequence[Chunk], *, parallelism: int) -> list[Span]:
        """Group chunks into spans for workers, `parallelism` of them at a time."""
        of_files = [chunk for chunk in chunks if not self.files[chunk.file].is_folder]
        spans = plan_spans(self.files, of_files, parallelism=parallelism) if of_files else []
        of_images = tuple(chunk for chunk in chunks if self.files[chunk.file].is_folder)
        size = max(1, len(of_images) // (SPANS_PER_PARALLELISM * parallelism))
        for at in range(0, len(of_images), size):
            part = of_images[at : at + size]
            spans.append(Span(self.files[part[0].file], part))
        return spans


def open_source(settings: FeaturesSettings) -> FeatureSource:
    """List the source, and check that its columns can be used.

    Raises
    ------
    InputError
        The source is missing, a column is missing or has another type, or a setting does not fit the source.
    """
    if settings.text is None and settings.image is None:
        return _open_images(settings)
    dataset = open_dataset(settings.source, settings.source_version)
    if not dataset.rows:
        raise SourceError(settings.source, "has no rows")
    check_id(dataset, settings.id)
    template = TextTemplate.parse(settings.text).canonical if settings.text is not None else None
    for name in TextTemplate.parse(template).columns if template else ():
        _check_text(dataset, name)
    kept = _kept(dataset, settings)
    base = base_of(settings.source)
    places: tuple[str, ...] = ()
    if settings.image is not None and holds_paths(_check_image(dataset, settings.image)):
        check_places(settings.image_root)
        places = tuple(map(absolute_place, settings.image_root)) or (base,)
    columns = RowColumns(settings.id, template, settings.image, kept, settings.vector, base, places)
    return FeatureSource(settings.source, columns, dataset.files, facts=dataset.facts())


def _check_text(dataset: Dataset, name: str) -> None:
    type_ = dataset.column(name).common()
    if types.is_binary(type_) or types.is_large_binary(type_):
        raise SchemaError(dataset.url, name, f"is {type_}; texts are made of strings, numbers and dates")


def _check_image(dataset: Dataset, name: str) -> pa.DataType:
    """Return the type of a column of images, which may hold their bytes, paths to them, or both."""
    type_ = dataset.column(name).common()
    if not holds_bytes(type_) and not holds_paths(type_):
        raise SchemaError(dataset.url, name, f"is {type_}; images must be bytes, or strings with paths or URLs")
    return type_


def _kept(dataset: Dataset, settings: FeaturesSettings) -> pa.Schema:
    """Return the schema of the written columns."""
    wanted = dataset.names
    if settings.columns is not None:
        for name in settings.columns:
            dataset.column(name)
        wanted = [each.name for each in dataset.columns if each.name == settings.id or each.name in settings.columns]
    image = None if settings.image is None else _check_image(dataset, settings.image)
    drops = image is not None and not settings.keep_bytes and holds_bytes(image)
    wanted = [name for name in wanted if not (drops and name == settings.image)]
    if settings.vector in wanted:
        if not settings.replace:
            raise SchemaError(
                dataset.url,
                settings.vector,
                "exists already; name another for the vectors (--vector), keep fewer (--columns), or --replace it",
            )
        if settings.vector == settings.id:
            raise SettingsError("vector", settings.vector, "is the column with the ids")
        wanted = [name for name in wanted if name != settings.vector]
    others = dataset.schema_of(name for name in wanted if name != settings.id)
    id_type = common_id_type([type_ for type_, _ in dataset.column(settings.id).types])
    return pa.schema([pa.field(name, id_type) if name == settings.id else others.field(name) for name in wanted])


def _open_images(settings: FeaturesSettings) -> FeatureSource:
    # A missing image is one failed row. A link to a folder above is not followed, as it would read that folder too.
    if settings.source_version is not None:
        reason = "is for Delta and Iceberg tables, and these are images"
        raise SettingsError("source_version", settings.source_version, reason)
    listing = list_source(settings.source, irregular=True, linked_folders=False)
    if listing.left_out.count:
        logger.warning("%s: %s", settings.source, listing.left_out)
    listed = listing.files
    for file in listed:
        if (reader := reader_of(file.url)) is not None:
            reason = f"has columns ({reader.name}): name the one with the texts (--text) or with the images (--image)"
            raise SettingsError("source", file.url, reason)
    for name in ("columns", "image_root"):
        if getattr(settings, name):
            raise SettingsError(name, getattr(settings, name), "is for Parquet sources, and these are images")
    if settings.id == settings.vector:
        raise SettingsError("vector", settings.vector, "is the column with the ids")
    files, members = _image_parts(listed, base_of(settings.source))
    if not any(members.values()):
        raise SourceError(settings.source, "has no files in its archives")
    # If the source is one archive, ids are the names of its members.
    base = files[0].url if len(listed) == 1 and not files[0].is_folder else base_of(settings.source)
    kept = pa.schema([pa.field(settings.id, pa.string())])
    columns = RowColumns(settings.id, None, None, kept, settings.vector, base, ())
    facts = SourceFacts.of("files", None, listing.left_out)
    return FeatureSource(settings.source, columns, tuple(files), members, facts)


def _image_parts(listed: Sequence[Listed], base: str) -> tuple[list[SourceFile], dict[str, tuple[Listed, ...]]]:
    """Return the archives of a listing, then the folder of all other files, with the images of each."""
    claimed = [(file, reader_of(file.url, columns=False)) for file in listed]
    parts = [(reader, file, contents_of(reader, file)) for file, reader in claimed if reader is not None]
    if images := tuple(file for file, reader in claimed if reader is None):
        folder = Listed(base, sum(max(0, image.size) for image in images), "")
        parts.append((IMAGE_FOLDER, folder, Contents(IMAGE_SCHEMA, (len(images),), members=images)))
    files: list[SourceFile] = []
    place = 0
    for reader, file, contents in parts:
        planned = SourceFile(
            file.url,
            file.size,
            file.version,
            contents.row_group_rows,
            place,
            (),
            reader=reader.name,
            sequential=contents.sequential,
        )
        files.append(planned)
        place += planned.rows
    return files, {file.url: contents.members for _, file, contents in parts}
