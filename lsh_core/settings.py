"""One frozen settings model per verb: the command line, the Airflow form and the docs are made from it.

A field's name is its long option with underscores, its description is the help text of both, and
its bounds are checked by both. Units are part of the names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from statistics import NormalDist
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from lsh_core.choices import choice_of
from lsh_core.errors import SettingsError
from lsh_core.partitions import levels_of, partition_name
from lsh_core.redaction import quoted

Metric = Literal["l2", "cosine", "dot"]
TrainedMetric = Literal["auto", "l2", "cosine", "dot"]
ModelName = Literal["ivf", "hyperplane", "subspace", "hnsw"]
HashBackend = Literal["numpy", "tensorflow", "auto"]
Fusion = Literal["weighted", "rrf"]
Device = Literal["auto", "cpu", "gpu"]
Precision = Literal["float32", "float16", "bfloat16"]
Pixels = Literal["0..255", "0..1", "-1..1"]

MOST_LISTS = 2**20
MOST_SPILL = 16
MOST_TABLES = 512
MOST_BITS = 32
MOST_MULTIPROBE = 64
MOST_PARTS = 512
MOST_CLUSTERS = 4096
MOST_NEIGHBOURS = 512
LARGEST_EF_CONSTRUCTION = 3200
EFFORT_UNITS = ("probes", "candidates", "num_candidates")

_FOLDER = r"[^/=\x00-\x1f]+=[^/\x00-\x1f]+"
_PARTITION = re.compile(f"{_FOLDER}(/{_FOLDER})*")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_RESERVED = frozenset(
    {"models", "ledger", "leases", "runs", "changes", "partitions", "dead-letters"}  # What airlsh keeps its state in.
    | {"w", "c", "l", "probe"}  # Its private aliases, and the index that it proves a server with.
)


def check_name(name: str) -> str:
    """Return `name` if it may be an index name; raise ``ValueError`` otherwise.

    No wildcards, dates or clusters can be spelled with the characters that are left, and no name
    can be mistaken for one of airlsh's own indices.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 100 characters of a-z, 0-9, '.', '_', '-', and start with a letter or digit")
    if name in _RESERVED or name.startswith("airlsh-"):
        raise ValueError("is reserved for airlsh's own indices")
    return name


def check_moment(text: str) -> str:
    """Return the moment `text`, ISO 8601 with a zone or a date in UTC, in UTC and to the millisecond.

    Raises ``ValueError`` for anything else, and for a moment in the future.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date, or a date and time with a zone, such as 2026-11-20T22:00:00Z") from None
    with suppress(ValueError):  # Raised by what has a time as well.
        moment = datetime.combine(date.fromisoformat(text), time(), UTC)
    if moment.tzinfo is None:
        raise ValueError("has no time zone: end it with Z for UTC, or with the zone's offset, such as +01:00")
    if moment > datetime.now(UTC):
        raise ValueError("is in the future")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


Moment = Annotated[str, AfterValidator(check_moment)]


def check_partition(text: str) -> str:
    """Return the name of the partition in these folders; raise ``ValueError`` for what is not key=value folders."""
    text = text.strip()
    if len(text) > 1_000 or not _PARTITION.fullmatch(text):
        raise ValueError("must be key=value, as the folder is named, such as day=2026-11-20; folders in it follow a /")
    return partition_name(levels_of(text.split("/")))


Partition = Annotated[
    str,
    AfterValidator(check_partition),
    WithJsonSchema({"type": "string", "pattern": f"^{_PARTITION.pattern}$", "maxLength": 1_000}),
]

IndexName = Annotated[
    str, AfterValidator(check_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]


class Settings(BaseModel):
    """What all settings share: frozen, no unknown keys, and a `SettingsError` for values that are not allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as refused:
            raise _settings_error(type(self), refused) from None


AnySettings = TypeVar("AnySettings", bound=Settings)


def validated(model: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """Make settings from what somebody typed.

    Raises
    ------
    SettingsError
        A value that is not allowed, a key that is no setting, or one that is missing; all that is wrong in one message.
    """
    return model(**values)


def _settings_error(model: type[Settings], refused: ValidationError) -> SettingsError:
    problems = []
    for problem in refused.errors():
        setting = ".".join(str(part) for part in problem["loc"])
        value = None if problem["type"] == "missing" else problem["input"]
        problems.append((setting, value, _reason(model, setting, problem["type"], problem["msg"])))
    (setting, value, reason), *others = problems
    also = "".join(f"; {name}={quoted(given)}: {why}" for name, given, why in others)
    return SettingsError(setting, value, reason + also)


def _reason(model: type[Settings], setting: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"is no setting: {choice_of(setting, tuple(model.model_fields))}"
    if kind == "missing":
        return "must be given"
    if kind == "string_unicode":
        return "is not Unicode text, as it holds half of a surrogate pair"
    plain = message.removeprefix("Value error, ")
    return plain.replace("Input should be", "must be").replace("String should have", "must have")


class _WrittenTo:
    """Marks a field that names a place to write to.

    It is no field of a form: whoever may trigger a DAG must not write files of the workers. The output of
    `FeaturesSettings` is not marked: its form asks for it, and it is checked against the roots that may be written to.
    """


def places_written(model: type[Settings]) -> frozenset[str]:
    """Return the fields of `model` that name a place to write to."""
    return frozenset(name for name, field in model.model_fields.items() if _WrittenTo in field.metadata)


TextFields = Annotated[tuple[str, ...], Field(description="Column to index as full text; may be repeated.")]
Shards = Annotated[int | None, Field(ge=1, le=1024, description="Primary shards; default from bytes and nodes.")]
Replicas = Annotated[int | None, Field(ge=0, le=16, description="Replicas; default 1 with two nodes or more.")]
RecallTarget = Annotated[
    float,
    Field(
        ge=0.5,
        le=0.999,
        description="Recall@10 of searches that are not told otherwise: a 95 % lower bound, measured on the finished "
        "build.",
    ),
]
Promote = Annotated[bool, Field(description="Move the alias to the new build once it is verified.")]
WaitGreen = Annotated[bool, Field(description="Move the alias only when every replica of the build is there.")]
WaitGreenSeconds = Annotated[
    float, Field(ge=1, description="How long --wait-green waits for replicas before it gives up, in seconds.")
]


SourceVersion = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="Version of the source, where it is a Delta table (a number) or an Iceberg table (the id of a "
        "snapshot, or a branch or tag); default: the latest.",
    ),
]


class SourceSettings(Settings):
    """Which index, and which columns of which Parquet files go into it."""

    name: IndexName = Field(description="Name of the index: the alias that people query.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob, or a Delta or Iceberg table: a local path, or a URL that fsspec "
        "reads (s3://, gs://, abfs://).",
    )
    source_version: SourceVersion = None
    id: str = Field(
        default="id",
        min_length=1,
        description="Column with the document ids (strings, UUIDs, integers or whole decimals).",
    )
    vector: str = Field(
        default="embedding",
        min_length=1,
        description="Column with the vectors (lists or tensors of floats, integers or decimals).",
    )


class TrainSettings(SourceSettings):
    """Train one LSH model on a sample of the source and store it."""

    metric: TrainedMetric = Field(
        default="auto",
        description="Distance between vectors; auto: what the encoder that made them names, else cosine.",
    )
    model: ModelName = Field(default="ivf", description="Kind of LSH model.")
    sample: int | None = Field(
        default=None, ge=2, description="Rows to train on, spread over all files; default from rows and model."
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Same seed and sample: the same model.")
    lists: int | None = Field(
        default=None, ge=1, le=MOST_LISTS, description="ivf: number of inverted lists; default from rows."
    )
    spill: int | None = Field(
        default=None, ge=1, le=MOST_SPILL, description="ivf: nearest lists that each row is put into."
    )
    tables: int | None = Field(default=None, ge=1, le=MOST_TABLES, description="hyperplane: hash tables.")
    bits: int | None = Field(
        default=None, ge=1, le=MOST_BITS, description="hyperplane: bits per table; default from rows."
    )
    multiprobe: int | None = Field(
        default=None,
        ge=0,
        le=MOST_MULTIPROBE,
        description="hyperplane: buckets of each table that a query looks into beside its own.",
    )
    hash_backend: HashBackend = Field(
        default="numpy",
        description="ivf, hyperplane: what computes the tokens of rows, wherever they are indexed or upserted with "
        "this model; auto: tensorflow if the worker that trains has it and a GPU.",
    )
    parts: int | None = Field(
        default=None, ge=1, le=MOST_PARTS, description="subspace: parts of the dimensions; default from dimensions."
    )
    clusters: int | None = Field(default=None, ge=2, le=MOST_CLUSTERS, description="subspace: clusters of each part.")
    m: int | None = Field(
        default=None, ge=2, le=MOST_NEIGHBOURS, description="hnsw: neighbours of a row in the server's graph."
    )
    ef_construction: int | None = Field(
        default=None,
        ge=2,
        le=LARGEST_EF_CONSTRUCTION,
        description="hnsw: rows that are looked at for the neighbours of a new one.",
    )


def queries_to_show(recall: float) -> int:
    """Return how many queries have a 95 % lower bound of `recall` if all of them find everything.

    See `lsh_core.evaluation.measurement.lower_bound`: of n such queries it is 1 - z / √(n(n + 1)).
    """
    return math.ceil(NormalDist().inv_cdf(0.95) / (1 - recall))


class FeaturesSettings(Settings):
    """Turn texts or images into vectors, as Parquet files that the other verbs read."""

    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob, or a Delta or Iceberg table; or, without --text and --image, a "
        "folder, zip or tar of images. A local path, or a URL that fsspec reads.",
    )
    source_version: SourceVersion = None
    id: str = Field(
        default="id", min_length=1, description="Column with the ids; of images in folders their paths are the ids."
    )
    text: str | None = Field(
        default=None,
        min_length=1,
        description="Column with the texts, or a template of columns such as '{id}: {description}'.",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description="Column with images: their bytes, or their paths or URLs. "
        "An image that is not there is tried again by the next run; one replaced under its name keeps its vector.",
    )
    encoder: str = Field(min_length=1, description="text, image, clip, or the name of a registered encoder.")
    weights: str | None = Field(
        default=None, min_length=1, description="Folder, file or preset with the weights, imagenet, or none."
    )
    output: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1, description="Folder to write to: a local path, or a URL that fsspec writes."
    )
    architecture: str | None = Field(
        default=None, min_length=1, description="image: architecture of keras.applications, such as MobileNetV2."
    )
    image_size: int | None = Field(
        default=None, ge=8, le=4_096, description="image: height and width that images are scaled to, in pixels."
    )
    pixels: Pixels = Field(
        default="0..255", description="image: range in which a model of your own expects the numbers of a pixel."
    )
    max_tokens: int | None = Field(
        default=None, ge=3, le=8_192, description="text: tokens that are looked at; longer texts are cut."
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=4_096, description="Rows that go through the network at once; default: the encoder's."
    )
    device: Device = Field(default="auto", description="Where the network runs; auto is the GPU where there is one.")
    precision: Precision = Field(default="float32", description="What the network calculates in; vectors are float32.")
    vector: str = Field(default="embedding", min_length=1, description="Name of the column that is added.")
    columns: tuple[str, ...] | None = Field(
        default=None, description="Other columns to keep beside the id; default: all of the source but image bytes."
    )
    keep_bytes: bool = Field(default=False, description="Keep the column with the bytes of the images too.")
    replace: bool = Field(default=False, description="Write the vectors in the place of a column of that name.")
    image_root: tuple[str, ...] = Field(
        default=(),
        description="Folder or URL prefix (https:// for all public servers) that images named in a column may lie in; "
        "may be repeated; default: the source's own folder.",
    )
    chunk_rows: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Rows of a chunk, the unit of retry; default from each file's."
    )
    chunk_bytes: int = Field(
        default=64 * 2**20, ge=2**16, description="Upper bound for one chunk as the source stores it, in bytes."
    )
    max_dead_letters: int = Field(
        default=0, ge=0, description="Rows without a vector that a run may have and still be published."
    )

    @field_validator("image")
    @classmethod
    def _one_of_the_two(cls, image: str | None, given: ValidationInfo) -> str | None:
        if image is not None and given.data.get("text") is not None:
            raise ValueError("cannot be given with --text: a row is encoded once")
        return image


class IndexSettings(SourceSettings):
    """Load the source into a new build, verify it, and promote it."""

    model_id: str | None = Field(default=None, description="Model to hash with; default: the newest of this name.")
    text_field: TextFields = ()
    field_type: tuple[str, ...] = Field(
        default=(), description="COLUMN=TYPE: the Elasticsearch type of a column, where the default does not suit."
    )
    columns: tuple[str, ...] | None = Field(
        default=None, description="Other columns to keep; default: all of the source."
    )
    source_covers: Moment | None = Field(
        default=None,
        description="The source holds every live change that was made before this moment (a date, or ISO 8601 with a "
        "zone), so this build takes them from it; default: as it was said for the build that is live, or none.",
    )
    shards: Shards = None
    replicas: Replicas = None
    promote: Promote = True
    max_dead_letters: int = Field(
        default=0, ge=0, description="Refused rows that a run may have and still be promoted."
    )
    stop_dead_letters: int = Field(
        default=1_000,
        ge=0,
        description="A load stops early once more rows than this, more than stop_dead_letter_share of those loaded, "
        "and more than max_dead_letters were refused.",
    )
    stop_dead_letter_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of refused rows, from 0 to 1, beyond which a load stops early."
    )
    dead_letter_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="Days that refused rows are kept for replay; if their build is deleted earlier, they go with it.",
    )
    chunk_rows: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Rows of a chunk, the unit of retry; default from rows and nodes."
    )
    chunk_bytes: int = Field(
        default=64 * 2**20, ge=2**16, description="Upper bound for the vectors of one chunk, in bytes."
    )
    request_bytes: int = Field(
        default=6 * 2**20, ge=2**10, le=64 * 2**20, description="Upper bound for one bulk request, in bytes."
    )
    posting_threads: int = Field(
        default=2, ge=1, le=16, description="Threads of each Dask worker that post requests; at least one a node."
    )
    node_wait_seconds: float = Field(
        default=300, ge=1, description="How long a load waits for a node or a primary shard to return, in seconds."
    )
    recall_target: RecallTarget = 0.95
    recall_queries: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Indexed rows that the recall of a finished build is measured with; default from rows.",
    )
    wait_green: WaitGreen = False
    wait_green_seconds: WaitGreenSeconds = 600

    @field_validator("recall_queries")
    @classmethod
    def _can_show_the_target(cls, queries: int | None, given: ValidationInfo) -> int | None:
        target = given.data.get("recall_target")
        if queries is not None and target is not None and queries < queries_to_show(target):
            raise ValueError(
                f"cannot show a recall of {target:g}, even if all are answered fully: {queries_to_show(target)} can"
            )
        return queries


class RawToIndexSettings(FeaturesSettings):
    """Encode texts or images, train a model of their vectors where there is none, and index them."""

    name: IndexName = Field(description="Name of the index: the alias that people query.")
    train: Literal["if needed", "always", "never"] = Field(
        default="if needed",
        description="Whether a model is trained; if needed: unless the newest of this name is one of this encoder.",
    )
    model: ModelName = Field(default="ivf", description="Kind of LSH model, where one is trained.")
    text_field: TextFields = ()
    shards: Shards = None
    replicas: Replicas = None
    recall_target: RecallTarget = 0.95
    promote: Promote = True

    def features(self) -> FeaturesSettings:
        """Return what the first step is told."""
        return FeaturesSettings(**{field: getattr(self, field) for field in FeaturesSettings.model_fields})

    def training(self) -> TrainSettings:
        """Return what training is told."""
        return TrainSettings(**self._of_the_output(), model=self.model)

    def indexing(self, model_id: str | None = None) -> IndexSettings:
        """Return what the index run is told, of the model that the step before it has trained or taken."""
        same = ("text_field", "shards", "replicas", "recall_target", "promote", "max_dead_letters")
        given = {field: getattr(self, field) for field in same}
        return IndexSettings(**self._of_the_output(), **given, model_id=model_id)

    def _of_the_output(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.output, "id": self.id, "vector": self.vector}


class SearchSettings(Settings):
    """Find the nearest neighbours of a stored row, vectors, a text or an image."""

    name: IndexName = Field(description="Name of the index.")
    id: str | None = Field(default=None, min_length=1, description="Neighbours of the document with this id.")
    vector: str | None = Field(
        default=None, min_length=1, description="Neighbours of this vector: its numbers, with commas between them."
    )
    vectors: str | None = Field(
        default=None, min_length=1, description="FILE.npy, FILE.parquet or FILE.parquet:COLUMN with one query a row."
    )
    text: str | None = Field(
        default=None, description="Neighbours of this text, encoded as the rows were: of what `airlsh features` wrote."
    )
    image: str | None = Field(
        default=None, min_length=1, description="Neighbours of this image file, encoded as the rows were."
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="Where the encoder's weights are on this machine; default: where they were for the rows.",
    )
    match: str | None = Field(
        default=None, description="Words to look for in full text as well: the best rows by vector and words together."
    )
    match_weight: float | None = Field(
        default=None, ge=0, le=1, description="Weight of the words: 0 is by vector alone, 1 by words alone; default .5."
    )
    match_field: tuple[str, ...] = Field(
        default=(), description="Full-text column to look for --match; may be repeated; default: all full-text columns."
    )
    fusion: Fusion = Field(
        default="weighted", description="Vector and words by a weighted sum, or by reciprocal rank fusion."
    )
    k: int = Field(default=10, ge=1, le=10_000, description="Neighbours a query.")
    probes: int | None = Field(default=None, ge=1, description="ivf: lists to visit; default: enough for the target.")
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="hyperplane, subspace: rows to rerank exactly; default: enough for the target.",
    )
    num_candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="hnsw: rows that the search of each shard's graph keeps; default: enough for the target.",
    )
    recall: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Recall of the ten nearest to reach, by the build's own curve; default: its target.",
    )
    exact: bool = Field(default=False, description="Score all rows, or all that pass the filter: true neighbours.")
    filter: str | None = Field(default=None, description="Elasticsearch query (JSON) that every neighbour must match.")
    fields: tuple[str, ...] | None = Field(default=None, description="Fields to return; default: all but the vectors.")
    output: Annotated[str | None, _WrittenTo] = Field(default=None, description="Parquet file to write the results to.")
    wait_seconds: float = Field(
        default=3, ge=0, le=3_600, description="How long to wait for Elasticsearch where no node answers, in seconds."
    )

    @property
    def effort(self) -> dict[str, int]:
        """The efforts that are given, by their units."""
        return {unit: value for unit in EFFORT_UNITS if (value := getattr(self, unit)) is not None}


class EvaluateSettings(Settings):
    """Measure recall and speed of what is live, by effort."""

    name: IndexName = Field(description="Name of the index.")
    queries: str | None = Field(
        default=None,
        min_length=1,
        description="FILE.npy, FILE.parquet or FILE.parquet:COLUMN with one query a row; default: indexed rows, each "
        "left out of its own answer.",
    )
    rows: int = Field(default=2_000, ge=20, le=10_000, description="Indexed rows to ask for where no file is given.")
    k: int = Field(default=10, ge=1, le=100, description="Neighbours a query.")
    output: Annotated[str | None, _WrittenTo] = Field(
        default=None,
        min_length=1,
        description="Folder (a local path or a URL) to write a report to: one HTML page, its drawings and its figures.",
    )


class ReportSettings(Settings):
    """Write the report of the last evaluation of a build."""

    name: IndexName = Field(description="Name of the index.")
    build: str | None = Field(
        default=None, min_length=1, description="Build that was evaluated; default: the live one."
    )
    output: Annotated[str, _WrittenTo] = Field(
        min_length=1,
        description="Folder (a local path or a URL) to write to: one HTML page, its drawings and its figures.",
    )


class ReplaySettings(Settings):
    """Load corrected rows in the place of dead letters of a build."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob with the corrected rows, or with all rows: a local path, or a URL.",
    )
    source_version: SourceVersion = None
    build: str | None = Field(
        default=None, min_length=1, description="Build that the rows belong to; default: the latest."
    )
    id: str | None = Field(default=None, min_length=1, description="Column with the ids; default: the build's.")
    vector: str | None = Field(default=None, min_length=1, description="Column with the vectors; default: the build's.")


class PromoteSettings(Settings):
    """Move the alias to a verified build."""

    name: IndexName = Field(description="Name of the index.")
    build: str = Field(min_length=1, description="Verified build to make live.")
    wait_green: WaitGreen = False
    wait_green_seconds: WaitGreenSeconds = 600


class AbandonSettings(Settings):
    """Delete a build that is not live, with all that was recorded of it."""

    name: IndexName = Field(description="Name of the index.")
    build: str = Field(min_length=1, description="Build to delete; a run that still works on it must be ended first.")


class RollbackSettings(Settings):
    """Move the alias back to an earlier build."""

    name: IndexName = Field(description="Name of the index.")
    build: str | None = Field(
        default=None, min_length=1, description="Build to go back to; default: the one that was live before."
    )
    wait_green: WaitGreen = False
    wait_green_seconds: WaitGreenSeconds = 600


class RetireSettings(Settings):
    """Delete builds that are neither live nor among the newest."""

    name: IndexName = Field(description="Name of the index.")
    keep: int = Field(default=2, ge=1, le=100, description="Verified builds to keep besides the live one.")
    grace_seconds: float = Field(
        default=600, ge=0, description="Never delete a verified build that was made, or live, within this many seconds."
    )
    unfinished_grace_seconds: float = Field(
        default=86_400,
        ge=0,
        description="Never delete a build that is not verified, and may be gone on with, within this many seconds of "
        "the last sign of its run; the latest build is kept as long as it has dead letters to replay.",
    )


class UpsertSettings(Settings):
    """Write rows into the live build, and into every later one."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1, description="Parquet file, folder or glob with whole rows: ids, vectors and the other columns."
    )
    source_version: SourceVersion = None
    id: str | None = Field(default=None, min_length=1, description="Column with the ids; default: the build's own.")
    vector: str | None = Field(
        default=None, min_length=1, description="Column with the vectors; default: the build's own."
    )
    refresh: bool = Field(default=False, description="Return only when searches find the rows.")


class DeleteSettings(Settings):
    """Delete documents from the live build, and from every later one."""

    name: IndexName = Field(description="Name of the index.")
    ids: tuple[str, ...] = Field(
        default=(),
        description="Ids to delete, with commas between and the spaces around each dropped; may be repeated. For an id "
        "that has a comma itself: --exact-id.",
    )
    ids_from: str | None = Field(default=None, min_length=1, description="Parquet source with the ids to delete.")
    source_version: SourceVersion = None
    id: str | None = Field(
        default=None, min_length=1, description="Column of --ids-from with the ids; default: the build's own."
    )
    refresh: bool = Field(default=False, description="Return only when searches find the documents no more.")


class RefreshSettings(Settings):
    """Make a partition of the live build, and of every later one, what its source is."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="The partition's Parquet file or folder, or the whole dataset with its key=value folders, or a "
        "Delta or Iceberg table.",
    )
    source_version: SourceVersion = None
    partition: Partition = Field(
        description="The partition, as its folders are named: date=2026-11-01, or region=eu/date=2026-11-01.",
    )
    id: str | None = Field(default=None, min_length=1, description="Column with the ids; default: the build's own.")
    vector: str | None = Field(
        default=None, min_length=1, description="Column with the vectors; default: the build's own."
    )
    allow_empty: bool = Field(
        default=False, description="Delete all documents of the partition if the source has no rows of it."
    )
    again: bool = Field(
        default=False,
        description="Write the partition once more although these files were refreshed before: what was changed in it "
        "since, by hand or by a build, gives way.",
    )
