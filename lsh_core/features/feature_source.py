"""What there is to encode: the rows of Parquet files, or images in folders and archives; checked before any work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.types as types

from lsh_core.errors import SchemaError, SettingsError, SourceError
from lsh_core.features.archives import archive_members, is_archive, is_random_access
from lsh_core.features.chunk_planning import chunks_of_file, chunks_of_images, rows_a_chunk
from lsh_core.features.image_loading import absolute_place, check_places
from lsh_core.features.row_reading import holds_bytes, holds_paths
from lsh_core.features.template import TextTemplate
from lsh_core.features.work_units import RowColumns, WorkChunk, WorkSpan
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.columns import check_id
from lsh_core.sources.dataset import Dataset, open_dataset
from lsh_core.sources.identifiers import common_id_type
from lsh_core.sources.listing import IRREGULAR, Listed, base_of, list_source
from lsh_core.sources.source_facts import SourceFacts
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.sources.spans import plan_spans

logger = logging.getLogger(__name__)

SPANS_PER_PARALLELISM = 4


@dataclass(frozen=True)
class FeatureSource:
    """A source as it was when it was listed.

    Attributes
    ----------
    files
        Parquet files, or archives.
    names
        Of each archive the names of its images.
    images
        Image files, sorted.
    facts
        Format, version and left-out files.
    """

    url: str
    columns: RowColumns
    files: tuple[SourceFile, ...] = ()
    names: dict[str, list[str]] = field(default_factory=dict)
    images: tuple[Listed, ...] = ()
    facts: SourceFacts = field(default_factory=SourceFacts)

    @property
    def rows(self) -> int:
        """Rows, or images, of all files."""
        return sum(file.rows for file in self.files) + len(self.images)

    @property
    def modality(self) -> str:
        """What an encoder must be able to encode: "text" or "image"."""
        return "text" if self.columns.template is not None else "image"

    def chunks(self, fingerprint: str, *, chunk_rows: int | None, chunk_bytes: int) -> list[WorkChunk]:
        """Return all chunks in source order, archives before image files; `fingerprint` is the encoder's."""
        chunks = []
        for file in self.files:
            rows = rows_a_chunk(file, chunk_rows=chunk_rows, chunk_bytes=chunk_bytes, images=self.modality == "image")
            chunks += chunks_of_file(file, self.columns, fingerprint, rows, self.names.get(file.url, ()))
        return chunks + chunks_of_images(self.images, self.columns, fingerprint, chunk_rows)

    def spans(self, chunks: Sequence[WorkChunk], *, parallelism: int) -> list[WorkSpan]:
        """Group chunks of this source into what one worker does in one pass, `parallelism` of which go on at a time."""
        numbers = {file.url: number for number, file in enumerate(self.files)}
        of_files = [chunk for chunk in chunks if not chunk.images]
        places = [
            Chunk(place, numbers[chunk.source], chunk.start, chunk.stop, place) for place, chunk in enumerate(of_files)
        ]
        spans = [
            (planned[0].file, tuple(of_files[each.number] for each in planned))
            for planned in (plan_spans(self.files, places, parallelism=parallelism) if places else ())
        ]
        joined = [WorkSpan(self.files[number], part) for number, part in _whole_streams(self.files, spans)]
        of_images = [chunk for chunk in chunks if chunk.images]
        size = max(1, len(of_images) // (SPANS_PER_PARALLELISM * parallelism))
        return joined + [WorkSpan(None, tuple(of_images[at : at + size])) for at in range(0, len(of_images), size)]


def open_source(settings: FeaturesSettings) -> FeatureSource:
    """List the source, and check that its columns can be used.

    Raises
    ------
    InputError
        Nothing is there, a column is missing or of another type, a setting does not fit the source.
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
    """Return the columns that are written, as they are written."""
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
    # Of a million images one that is gone is one row, and a link back to a folder above would read that one too.
    if settings.source_version is not None:
        reason = "is for Delta and Iceberg tables, and these are images"
        raise SettingsError("source_version", settings.source_version, reason)
    listing = list_source(settings.source, irregular=True, linked_folders=False)
    if listing.left_out.count:
        logger.warning("%s: %s", settings.source, listing.left_out)
    listed = listing.files
    parquet = [file.url for file in listed if file.url.endswith(".parquet")]
    if parquet:
        raise SettingsError(
            "source", parquet[0], "is Parquet: say which column holds the texts (--text) or the images (--image)"
        )
    for name in ("columns", "image_root"):
        if getattr(settings, name):
            raise SettingsError(name, getattr(settings, name), "is for Parquet sources, and these are images")
    if settings.id == settings.vector:
        raise SettingsError("vector", settings.vector, "is the column with the ids")
    archives = [file for file in listed if is_archive(file.url)]
    names, files = {}, []
    for file in archives:
        if file.size == IRREGULAR:
            raise SourceError(file.url, "is not a regular file, so its images cannot be counted")
        names[file.url] = [member.name for member in archive_members(file.url)]
        files.append(SourceFile(file.url, file.size, file.version, (len(names[file.url]),), 0, ()))
    images = tuple(file for file in listed if not is_archive(file.url))
    if not images and not any(names.values()):
        raise SourceError(settings.source, "has no files in its archives")
    # Of an archive that is the source itself the ids are the names in it.
    base = archives[0].url if len(listed) == 1 and archives else base_of(settings.source)
    kept = pa.schema([pa.field(settings.id, pa.string())])
    columns = RowColumns(settings.id, None, None, kept, settings.vector, base, ())
    facts = SourceFacts.of("files", None, listing.left_out)
    return FeatureSource(settings.source, columns, tuple(files), names, images, facts)


def _whole_streams(
    files: Sequence[SourceFile], spans: Sequence[tuple[int, tuple[WorkChunk, ...]]]
) -> list[tuple[int, tuple[WorkChunk, ...]]]:
    """Join the spans of an archive that is read from its beginning each time."""
    joined: list[tuple[int, tuple[WorkChunk, ...]]] = []
    for number, part in spans:
        streamed = is_archive(files[number].url) and not is_random_access(files[number].url)
        if streamed and joined and joined[-1][0] == number:
            joined[-1] = (number, joined[-1][1] + part)
        else:
            joined.append((number, part))
    return joined
