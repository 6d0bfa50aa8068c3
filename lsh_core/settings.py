"""Settings of verbs: one frozen model per verb.

Options, forms and docs are made from these models. The name of a field is its long option with underscores. Its
description is the help of both the option and the form, and both check its bounds. Units are part of the names.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from statistics import NormalDist
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lsh_core.built_in import METRICS, MODELS
from lsh_core.choices import choice_of
from lsh_core.errors import SettingsError
from lsh_core.knobs import Knob
from lsh_core.partitions import levels_of, partition_name
from lsh_core.redaction import quoted
from lsh_core.registry import Registry

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labels:
    """Meanings of the choices of a field, shown in help and forms."""

    of: Mapping[str, str]


class Positional:
    """Marker of a field that is a command-line argument, not an option."""


class Verbatim:
    """Marker of a list whose items the command line does not split at commas."""


class Registered:
    """Marker of a field that holds a registered name.

    Its choices are listed when they are needed.

    Parameters
    ----------
    registry
        Registry of the names.
    others
        Further allowed names, with their meanings.
    """

    def __init__(self, registry: Registry, others: Mapping[str, str] | None = None) -> None:
        self._registry, self._others = registry, dict(others or {})

    def names(self) -> tuple[str, ...]:
        """Return the allowed names."""
        return (*self._others, *self._registry.names())

    def labels(self) -> dict[str, str]:
        """Return the meanings of the allowed names; classes that cannot be loaded are omitted."""
        return self._others | {each.name: each.summary for each in self._registry.all_declared()}

    def check(self, name: str) -> str:
        """Return `name` if it is allowed.

        Otherwise ``ValueError`` is raised.
        """
        if name not in self._others:
            try:
                self._registry.check(name)
            except SettingsError as error:
                raise ValueError(error.reason) from None
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names())}


TrainedMetric = Annotated[
    str, Registered(METRICS, {"auto": "metric of the encoder that made the vectors, else cosine"})
]
ModelName = Annotated[str, Registered(MODELS)]
Fusion = Literal["weighted", "rrf"]
Device = Annotated[
    Literal["auto", "cpu", "gpu"],
    Labels({"auto": "GPU if the worker has one", "cpu": "processor", "gpu": "GPU, or fail"}),
]
Precision = Annotated[
    Literal["float32", "float16", "bfloat16"],
    Labels(
        {
            "float32": "full precision",
            "float16": "mixed, for GPUs",
            "bfloat16": "mixed, for newer GPUs and processors",
        }
    ),
]
Pixels = Annotated[
    Literal["0..255", "0..1", "-1..1"],
    Labels({"0..255": "as stored", "0..1": "divided by 255", "-1..1": "divided by 127.5, minus 1"}),
]

_NOT_A_KNOB = "not_a_knob"
REACH = "reach"
EFFORT_UNITS = (REACH, "probes", "candidates", "num_candidates")

_FOLDER = r"[^/=\x00-\x1f]+=[^/\x00-\x1f]+"
_PARTITION = re.compile(f"{_FOLDER}(/{_FOLDER})*")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_RESERVED = frozenset(
    # Names of the system indices.
    {"models", "ledger", "leases", "runs", "changes", "partitions", "dead-letters", "recall-queries"}
    | {"w", "c", "l", "probe"}  # Prefixes of the private aliases, and the index of the server check.
)


def check_name(name: str) -> str:
    """Return `name` if it may be an index name.

    Otherwise ``ValueError`` is raised. The allowed characters exclude wildcards, date math and remote clusters. No name
    can collide with an index of airlsh's own.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 100 characters of a-z, 0-9, '.', '_', '-', and start with a letter or digit")
    if name in _RESERVED or name.startswith("airlsh-"):
        raise ValueError("is reserved for airlsh's own indices")
    return name


def check_moment(text: str) -> str:
    """Return the moment `text` in UTC, to the millisecond.

    `text` is ISO 8601 with a zone, or a date in UTC. Other text, and a moment in the future, raise ``ValueError``.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date, or a date and time with a zone, such as 2026-11-20T22:00:00Z") from None
    with suppress(ValueError):  # Raised for text with a time as well.
        moment = datetime.combine(date.fromisoformat(text), time(), UTC)
    if moment.tzinfo is None:
        raise ValueError("has no time zone: end it with Z for UTC, or with the zone's offset, such as +01:00")
    if moment > datetime.now(UTC):
        raise ValueError("is in the future")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


Moment = Annotated[str, AfterValidator(check_moment)]


def check_partition(text: str) -> str:
    """Return the partition name for ``key=value`` folders.

    Other text raises ``ValueError``.
    """
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
    """Base of all settings: frozen, without unknown keys.

    Invalid values raise a `SettingsError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as refused:
            raise _settings_error(type(self), refused) from None

    @classmethod
    def form_fields(cls) -> type[BaseModel]:
        """Return the model whose fields options and forms show.

        It is never instantiated.
        """
        return cls


AnySettings = TypeVar("AnySettings", bound=Settings)


def validated(model: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """Make settings from values that a user typed.

    Raises
    ------
    SettingsError
        A value is not allowed, a key is unknown, or a setting is missing. The message names all faults.
    """
    return model(**values)


def _settings_error(model: type[Settings], refused: ValidationError) -> SettingsError:
    problems = []
    for problem in refused.errors():
        place = tuple(str(part) for part in problem["loc"])
        setting = ".".join(place[1:] if place[0] == "model_options" and len(place) > 1 else place)
        value = None if problem["type"] == "missing" else problem["input"]
        reason = _reason(model, setting, problem["type"], problem["msg"])
        if problem["type"] == _NOT_A_KNOB:
            setting, value, reason = problem["ctx"]["knob"], problem["ctx"]["value"], problem["msg"]
        problems.append((setting, value, reason))
    (setting, value, reason), *others = problems
    also = "".join(f"; {name}={quoted(given)}: {why}" for name, given, why in others)
    return SettingsError(setting, value, reason + also)


def _reason(model: type[Settings], setting: str, error: str, message: str) -> str:
    if error == "extra_forbidden":
        return f"is not a setting: {choice_of(setting, tuple(model.form_fields().model_fields))}"
    if error == "missing":
        return "must be given"
    if error == "string_unicode":
        return "is not Unicode text, as it holds half of a surrogate pair"
    plain = message.removeprefix("Value error, ")
    return plain.replace("Input should be", "must be").replace("String should have", "must have")


def knob_fields() -> dict[str, Any]:
    """Return a field per knob of all models, as ``create_model`` takes them.

    Models may share a knob. Its bounds are then the union of their bounds.
    """
    return _knob_fields(MODELS.names())


@lru_cache(maxsize=8)
def _knob_fields(_: tuple[str, ...]) -> dict[str, Any]:
    shared: dict[str, dict[str, Knob]] = {}
    for model in MODELS.all_declared():
        for knob in model.knobs:
            others = shared.setdefault(knob.name, {})
            if knob.name in TrainSettings.model_fields or any(other.type is not knob.type for other in others.values()):
                said = "knob %s of %s models is an option of another type: use model_options"
                logger.warning(said, knob.name, model.name)
            else:
                others[model.name] = knob
    return {name: _field(tuple(owners.values()), _owned(owners)) for name, owners in shared.items() if owners}


def _owned(owners: Mapping[str, Knob]) -> str:
    """Return the description of a knob, after the names of its models.

    Models with the same description share one text.
    """
    said: dict[str, list[str]] = {}
    for model, knob in owners.items():
        said.setdefault(knob.description, []).append(model)
    return "; ".join(f"{', '.join(models)}: {description}" for description, models in said.items()) + "."


def _field(knobs: tuple[Knob, ...], description: str) -> tuple[Any, Any]:
    choices = tuple(dict.fromkeys(choice for knob in knobs for choice in knob.choices))
    lows, highs = [knob.minimum for knob in knobs], [knob.maximum for knob in knobs]
    low = None if None in lows else min(low for low in lows if low is not None)
    high = None if None in highs else max(high for high in highs if high is not None)
    if choices:
        meanings = Labels({choice: meaning for knob in knobs for choice, meaning in knob.choices.items()})
        return Annotated[Literal[choices] | None, meanings], Field(default=None, description=description)
    return knobs[0].type | None, Field(default=None, ge=low, le=high, description=description)


def _knobs_of(model: str) -> type[BaseModel]:
    """Return a pydantic model with the knobs of one model."""
    fields: dict[str, Any] = {knob.name: _field((knob,), knob.description) for knob in MODELS.declared(model).knobs}
    made: type[BaseModel] = create_model(f"{model} options", **fields)
    return made


class _WrittenTo:
    """Marker of a field with a path to write to; forms omit such fields.

    A user who may trigger a DAG must not write files of the workers. The output of `FeaturesSettings` has no marker:
    its form asks for it, and it is checked against the allowed output roots.
    """


def labels_of(field: FieldInfo) -> Mapping[str, str]:
    """Return the meanings of the choices of `field`; empty without labels."""
    for each in field.metadata:
        if isinstance(each, Labels):
            return each.of
        if isinstance(each, Registered):
            return each.labels()
    return {}


def meaning_of(field: FieldInfo) -> str:
    """Return the description of `field`, followed by the meanings of its choices."""
    meanings = "; ".join(f"{value}: {meaning}" for value, meaning in labels_of(field).items())
    return f"{field.description} {meanings}." if meanings else str(field.description or "")


def places_written(model: type[Settings]) -> frozenset[str]:
    """Return the fields of `model` that name a path to write to."""
    return frozenset(name for name, field in model.model_fields.items() if _WrittenTo in field.metadata)


_SOURCE = (
    "Parquet file, folder or glob, or a Delta or Iceberg table. A local path, or a URL that fsspec reads, such as "
    "s3://bucket/rows/*.parquet."
)
_FOLDER_WRITTEN = "Folder for the report: an HTML page, its drawings and its figures. A local path or a URL."
_QUERY_FILE = "File with one query vector per row: FILE.npy, FILE.parquet or FILE.parquet:COLUMN."

TextFields = Annotated[tuple[str, ...], Field(description="Column to index as full text. May be repeated.")]
Shards = Annotated[
    int | None, Field(ge=1, le=1024, description="Primary shards. Default: from the size of the data and the nodes.")
]
Replicas = Annotated[
    int | None, Field(ge=0, le=16, description="Replicas per shard. Default: 1 with two nodes or more, else 0.")
]
RecallTarget = Annotated[
    float,
    Field(
        ge=0.5,
        le=0.999,
        description="Target recall@10 of searches that set no effort. Met if the one-sided 95 % lower bound of the "
        "recall reaches it, measured on the finished build. A build that misses it goes live all the same: searches "
        "scan a small build, and use the largest measured effort of a large one.",
    ),
]
Promote = Annotated[bool, Field(description="Move the alias to the new build once it is verified.")]
WaitGreen = Annotated[bool, Field(description="Move the alias only after all replicas of the build are assigned.")]
WaitGreenSeconds = Annotated[
    float, Field(ge=1, description="Timeout of --wait-green, in seconds. The alias does not move after a timeout.")
]
BuildId = Annotated[str | None, Field(min_length=1, description="Id of the build. Default: the latest.")]
IdOfBuild = Annotated[
    str | None, Field(min_length=1, description="Column with the document ids. Default: the column of the build.")
]
VectorOfBuild = Annotated[
    str | None, Field(min_length=1, description="Column with the vectors. Default: the column of the build.")
]


SourceVersion = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="Version of a Delta table (a number), or a snapshot id, branch or tag of an Iceberg table. "
        "Default: the latest.",
    ),
]


class SourceSettings(Settings):
    """Name of an index, and the columns of its source."""

    name: IndexName = Field(description="Name of the index: the alias that people query.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(min_length=1, description=_SOURCE)
    source_version: SourceVersion = None
    id: str = Field(
        default="id",
        min_length=1,
        description="Column with the document ids: strings, UUIDs, integers or whole decimals.",
    )
    vector: str = Field(
        default="embedding",
        min_length=1,
        description="Column with the vectors: lists or tensors of floats, integers or decimals.",
    )


class TrainSettings(SourceSettings):
    """Settings of `train`: the model, its sample and its parameters."""

    metric: TrainedMetric = Field(default="auto", description="Distance between vectors.")
    model: ModelName = Field(default="ivf", description="Model that maps vectors to tokens.")
    sample: int | None = Field(
        default=None,
        ge=2,
        description="Number of rows to train on, sampled over all files. Default: from the number of rows and the "
        "model.",
    )
    seed: int = Field(
        default=0, ge=0, le=2**32 - 1, description="Random seed. The same seed and sample give the same model."
    )
    model_options: dict[str, Any] = Field(
        default_factory=dict, description="Knobs of the model by name, such as {'lists': 64} for ivf."
    )

    @model_validator(mode="before")
    @classmethod
    def _knobs_beside_settings(cls, given: Any) -> Any:
        """Move knobs beside the settings, such as `lists=64`, into `model_options`."""
        if not isinstance(given, Mapping):
            return given
        beside = {name: value for name, value in given.items() if name not in TrainSettings.model_fields}
        if not beside:
            return given
        knobs = {name: value for name, value in beside.items() if name in knob_fields()}
        settings = {name: value for name, value in given.items() if name not in knobs}
        options = settings.get("model_options", {})
        return {**settings, "model_options": {**options, **knobs}} if isinstance(options, Mapping) else settings

    @field_validator("model_options")
    @classmethod
    def _knobs_of_the_model(cls, options: dict[str, Any], given: ValidationInfo) -> dict[str, Any]:
        chosen = {name: value for name, value in options.items() if value is not None}
        if not chosen or "model" not in given.data:
            return chosen
        allowed = _knobs_of(given.data["model"])
        for name in chosen.keys() - allowed.model_fields.keys():
            reason = f"is not a knob of {given.data['model']} models: {choice_of(name, tuple(allowed.model_fields))}"
            raise PydanticCustomError(_NOT_A_KNOB, "{reason}", {"knob": name, "value": chosen[name], "reason": reason})
        return allowed.model_validate(chosen).model_dump(exclude_none=True)

    @classmethod
    def form_fields(cls) -> type[BaseModel]:
        """Return these settings with one field per knob in place of `model_options`."""
        return _train_form(MODELS.names())


@lru_cache(maxsize=8)
def _train_form(models: tuple[str, ...]) -> type[BaseModel]:
    own = {
        name: (field.annotation, field) for name, field in TrainSettings.model_fields.items() if name != "model_options"
    }
    fields: dict[str, Any] = {**own, **_knob_fields(models)}
    made: type[BaseModel] = create_model(TrainSettings.__name__, **fields)
    return made


RECALL_NEIGHBOURS = 10
"""Number of true neighbours of each query that the recall of a build is measured by."""


def queries_to_show(recall: float) -> int:
    """Return the minimum number of queries that can prove a recall of `recall`.

    If all n queries find everything, the 95 % lower bound is 1 - z / √(n(n + 1)): see
    `lsh_core.evaluation.measurement.lower_bound`.
    """
    return math.ceil(NormalDist().inv_cdf(0.95) / (1 - recall))


class FeaturesSettings(Settings):
    """Settings of `compute_features`: the rows, the encoder and the output."""

    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob, or a Delta or Iceberg table. Without --text and --image: a folder, "
        "zip or tar of images. A local path, or a URL that fsspec reads.",
    )
    source_version: SourceVersion = None
    id: str = Field(
        default="id",
        min_length=1,
        description="Column with the ids. Images in a folder or an archive have their paths as ids.",
    )
    text: str | None = Field(
        default=None,
        min_length=1,
        description="Column with the texts, or a template of columns such as '{id}: {description}'.",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description="Column with images: their bytes, their paths or their URLs. The next run retries an image that "
        "is missing. An image that was replaced under its name keeps its vector.",
    )
    encoder: str = Field(min_length=1, description="Encoder: text, image, clip, or the name of a registered encoder.")
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="Weights of the encoder: a folder, a file, a preset, imagenet, or none.",
    )
    output: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1, description="Folder for the vectors: a local path, or a URL that fsspec writes."
    )
    architecture: str | None = Field(
        default=None, min_length=1, description="image: architecture of keras.applications, such as MobileNetV2."
    )
    image_size: int | None = Field(
        default=None, ge=8, le=4_096, description="image: height and width of the scaled images, in pixels."
    )
    pixels: Pixels = Field(default="0..255", description="image: range of pixel values that a custom model expects.")
    max_tokens: int | None = Field(
        default=None, ge=3, le=8_192, description="text: largest number of tokens per text. Longer texts are truncated."
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=4_096, description="Rows per batch of the network. Default: from the encoder."
    )
    device: Device = Field(default="auto", description="Device that runs the network.")
    precision: Precision = Field(
        default="float32", description="Precision of the network's arithmetic. Vectors are float32 in any case."
    )
    vector: str = Field(default="embedding", min_length=1, description="Name of the column for the vectors.")
    columns: tuple[str, ...] | None = Field(
        default=None,
        description="Columns to keep beside the id. Default: all columns of the source without image bytes.",
    )
    keep_bytes: bool = Field(default=False, description="Keep the column with the bytes of the images.")
    replace: bool = Field(
        default=False, description="Replace a column of the source that has the name of the vector column."
    )
    image_root: tuple[str, ...] = Field(
        default=(),
        description="Folder or URL prefix that may contain the images of --image, such as https:// for all public "
        "servers. May be repeated. Default: the folder of the source.",
    )
    chunk_rows: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Rows per chunk. A chunk is the unit of retry. Default: from the rows of each file.",
    )
    chunk_bytes: int = Field(
        default=64 * 2**20, ge=2**16, description="Largest size of one chunk in the source, in bytes."
    )
    max_dead_letters: int = Field(
        default=0, ge=0, description="Largest number of rows without a vector with which the output is published."
    )

    @field_validator("image")
    @classmethod
    def _one_of_the_two(cls, image: str | None, given: ValidationInfo) -> str | None:
        if image is not None and given.data.get("text") is not None:
            raise ValueError("cannot be given with --text: a row is encoded once")
        return image


class IndexSettings(SourceSettings):
    """Settings of an index run: the source, its build and its limits."""

    model_id: str | None = Field(default=None, description="Id of the model. Default: the newest model of the name.")
    text_field: TextFields = ()
    field_type: tuple[str, ...] = Field(
        default=(),
        description="Elasticsearch type of a column, as COLUMN=TYPE, such as price=scaled_float. May be repeated. "
        "Default: from the type of the column.",
    )
    columns: tuple[str, ...] | None = Field(
        default=None, description="Columns to index beside id and vector. Default: all columns of the source."
    )
    source_as_of: Moment | None = Field(
        default=None,
        description="Watermark of the source: it contains all live changes made before this time, and the build does "
        "not replay them. A date in UTC, or ISO 8601 with a zone, such as 2026-11-20T22:00:00Z. Default: the "
        "watermark of the live build.",
    )
    shards: Shards = None
    replicas: Replicas = None
    promote: Promote = True
    max_dead_letters: int = Field(
        default=0, ge=0, description="Largest number of dead letters (rejected rows) with which a build is promoted."
    )
    stop_dead_letters: int = Field(
        default=1_000,
        ge=0,
        description="The load stops early if the dead letters exceed this number, max_dead_letters, and "
        "stop_dead_letter_share of the rows.",
    )
    stop_dead_letter_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of dead letters among the loaded rows, from 0 to 1. See stop_dead_letters.",
    )
    dead_letter_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="Retention of dead letters, in days. Deleting their build deletes them earlier.",
    )
    chunk_rows: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Rows per chunk. A chunk is the unit of retry. Default: from the number of rows and nodes.",
    )
    chunk_bytes: int = Field(
        default=64 * 2**20, ge=2**16, description="Largest size of the vectors of one chunk, in bytes."
    )
    request_bytes: int = Field(
        default=6 * 2**20, ge=2**10, le=64 * 2**20, description="Largest size of one bulk request, in bytes."
    )
    posting_threads: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Threads per Dask worker that send bulk requests. Each node has at least one.",
    )
    node_wait_seconds: float = Field(
        default=300,
        ge=1,
        description="Timeout of a load for a node or a primary shard that is away, in seconds.",
    )
    recall_target: RecallTarget = 0.95
    recall_queries: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of indexed rows that measure the recall of the finished build. Default: from the number "
        "of rows.",
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
    """Settings from raw rows to an index: encode, train and index."""

    name: IndexName = Field(description="Name of the index: the alias that people query.")
    train: Annotated[
        Literal["if needed", "always", "never"],
        Labels(
            {
                "if needed": "train unless the newest model of the name has this encoder",
                "always": "train a new model",
                "never": "fail if no model of this encoder exists",
            }
        ),
    ] = Field(
        default="if needed",
        description="Training of a model.",
    )
    model: ModelName = Field(default="ivf", description="Model to train.")
    text_field: TextFields = ()
    shards: Shards = None
    replicas: Replicas = None
    recall_target: RecallTarget = 0.95
    promote: Promote = True

    def features(self) -> FeaturesSettings:
        """Return the settings of the encoding step."""
        return FeaturesSettings(**{field: getattr(self, field) for field in FeaturesSettings.model_fields})

    def training(self) -> TrainSettings:
        """Return the settings of the training step."""
        return TrainSettings(**self._of_the_output(), model=self.model)

    def indexing(self, model_id: str | None = None) -> IndexSettings:
        """Return the settings of the index run, with the model of the training step."""
        same = ("text_field", "shards", "replicas", "recall_target", "promote", "max_dead_letters")
        given = {field: getattr(self, field) for field in same}
        return IndexSettings(**self._of_the_output(), **given, model_id=model_id)

    def _of_the_output(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.output, "id": self.id, "vector": self.vector}


class SearchSettings(Settings):
    """Settings of `search`: the query, its effort and its answer."""

    name: IndexName = Field(description="Name of the index.")
    id: str | None = Field(default=None, min_length=1, description="Neighbours of the document with this id.")
    vector: str | None = Field(
        default=None, min_length=1, description="Neighbours of this vector: numbers separated by commas."
    )
    vectors: str | None = Field(
        default=None, min_length=1, description="FILE.npy, FILE.parquet or FILE.parquet:COLUMN with one query per row."
    )
    text: str | None = Field(
        default=None, description="Neighbours of this text. It is encoded as the rows were by `airlsh features`."
    )
    image: str | None = Field(
        default=None, min_length=1, description="Neighbours of this image file. It is encoded as the rows were."
    )
    weights: str | None = Field(
        default=None,
        min_length=1,
        description="Weights of the encoder on this machine. Default: the location used for the rows.",
    )
    match: str | None = Field(
        default=None, description="Words to find in full text. Rows are ranked by vector and words together."
    )
    match_weight: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Weight of the words, from 0 (vector only) to 1 (words only). Default: 0.5.",
    )
    match_field: tuple[str, ...] = Field(
        default=(),
        description="Full-text column to search for --match. May be repeated. Default: all full-text columns.",
    )
    fusion: Fusion = Field(
        default="weighted", description="Combination of vector and words: weighted sum, or reciprocal rank fusion."
    )
    k: int = Field(default=10, ge=1, le=10_000, description="Neighbours per query.")
    reach: float | None = Field(
        default=None,
        ge=0.1,
        le=100,
        description="ivf: visit the lists at most this many times as far as the tenth nearest. Default: enough for the "
        "target.",
    )
    probes: int | None = Field(default=None, ge=1, description="ivf: visit this many lists, whatever their distance.")
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="hyperplane, subspace: rows to rerank exactly. Default: enough for the target.",
    )
    num_candidates: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="hnsw: rows that the graph search of each shard keeps. Default: enough for the target.",
    )
    recall: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Target recall@10 by the recall curve of the build. Default: the target of the build.",
    )
    exact: bool = Field(
        default=False, description="Score all rows, or all rows that pass the filter, for the true neighbours."
    )
    filter: str | None = Field(default=None, description="Elasticsearch query (JSON) that every neighbour must match.")
    fields: tuple[str, ...] | None = Field(
        default=None, description="Fields to return. Default: all except the vectors."
    )
    output: Annotated[str | None, _WrittenTo] = Field(default=None, description="Parquet file to write the results to.")
    wait_seconds: float = Field(
        default=3, ge=0, le=3_600, description="Maximum wait for Elasticsearch if no node answers, in seconds."
    )

    @property
    def effort(self) -> dict[str, float]:
        """Efforts that are set, by unit."""
        return {unit: value for unit in EFFORT_UNITS if (value := getattr(self, unit)) is not None}


class EvaluateSettings(Settings):
    """Settings of `evaluate`: the queries, and the folder of the report."""

    name: IndexName = Field(description="Name of the index.")
    queries: str | None = Field(
        default=None,
        min_length=1,
        description=f"{_QUERY_FILE} Default: indexed rows, each excluded from its own answer.",
    )
    rows: int = Field(default=2_000, ge=20, le=10_000, description="Number of indexed rows to use as queries.")
    k: int = Field(default=10, ge=1, le=100, description="Neighbours per query.")
    output: Annotated[str | None, _WrittenTo] = Field(default=None, min_length=1, description=_FOLDER_WRITTEN)


class ReportSettings(Settings):
    """Settings of `report`: the build that was evaluated, and a folder."""

    name: IndexName = Field(description="Name of the index.")
    build: str | None = Field(default=None, min_length=1, description="Id of the build. Default: the live build.")
    output: Annotated[str, _WrittenTo] = Field(min_length=1, description=_FOLDER_WRITTEN)


class ListSettings(Settings):
    """Settings of lists of models and of builds: one name, or all."""

    name: IndexName | None = Field(default=None, description="Name of the index. Default: all.")


class ShowModelSettings(Settings):
    """Settings of `show_model`: the model."""

    model_id: Annotated[str, Positional] = Field(
        min_length=1, description="Id of the model, or a name for its newest model."
    )


class ShowBuildSettings(Settings):
    """Settings of `show_build`: the build."""

    name: IndexName = Field(description="Name of the index.")
    build: str | None = Field(default=None, min_length=1, description="Id of the build. Default: the live build.")


class ListDeadLettersSettings(Settings):
    """Settings of a list of dead letters: the build."""

    name: IndexName = Field(description="Name of the index.")
    build: BuildId = None


class ReplaySettings(Settings):
    """Settings of `replay_dead_letters`: the corrected rows and their build."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob with the corrected rows. It may contain all rows: those without a "
        "dead letter are ignored. A local path or a URL.",
    )
    source_version: SourceVersion = None
    build: BuildId = None
    id: IdOfBuild = None
    vector: VectorOfBuild = None


class PromoteSettings(Settings):
    """Settings of `promote`: the build to make live."""

    name: IndexName = Field(description="Name of the index.")
    build: str = Field(min_length=1, description="Id of a verified build.")
    wait_green: WaitGreen = False
    wait_green_seconds: WaitGreenSeconds = 600


class AbandonSettings(Settings):
    """Settings of `abandon`: the build to delete."""

    name: IndexName = Field(description="Name of the index.")
    build: str = Field(min_length=1, description="Id of the build. A run that works on it must end first.")


class RollbackSettings(Settings):
    """Settings of `rollback`: the build to return to."""

    name: IndexName = Field(description="Name of the index.")
    build: str | None = Field(
        default=None, min_length=1, description="Id of an earlier build. Default: the build that was live before."
    )
    wait_green: WaitGreen = False
    wait_green_seconds: WaitGreenSeconds = 600


class RetireSettings(Settings):
    """Settings of `retire`: the builds to keep.

    Nothing deletes old builds on its own: only `retire` does.
    """

    name: IndexName = Field(description="Name of the index.")
    keep: int = Field(default=2, ge=1, le=100, description="Number of verified builds to keep besides the live build.")
    grace_seconds: float = Field(
        default=600,
        ge=0,
        description="Minimum time since a verified build was made, or was live, before it is deleted, in seconds.",
    )
    unfinished_grace_seconds: float = Field(
        default=86_400,
        ge=0,
        description="Minimum time since the last activity of an unverified build before it is deleted, in seconds. "
        "The latest build is kept while it has dead letters to replay.",
    )


class UpsertSettings(Settings):
    """Settings of `upsert`: the rows to insert or replace."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file, folder or glob, or a table, with whole rows: ids, vectors and the other columns.",
    )
    source_version: SourceVersion = None
    id: IdOfBuild = None
    vector: VectorOfBuild = None
    refresh: bool = Field(default=False, description="Return only after searches find the rows.")


class DeleteSettings(Settings):
    """Settings of `delete`: ids, or a source of ids."""

    name: IndexName = Field(description="Name of the index.")
    ids: tuple[str, ...] = Field(
        default=(),
        description="Ids to delete, separated by commas, such as gimp,inkscape. May be repeated. For an id that "
        "contains a comma: --exact-id.",
    )
    exact_id: Annotated[tuple[str, ...], Verbatim] = Field(
        default=(), description="Id to delete, taken verbatim with its commas and spaces. May be repeated."
    )
    ids_from: str | None = Field(default=None, min_length=1, description="Parquet source with the ids to delete.")
    source_version: SourceVersion = None
    id: str | None = Field(
        default=None, min_length=1, description="Column of --ids-from with the ids. Default: the column of the build."
    )
    refresh: bool = Field(default=False, description="Return only after searches no longer find the documents.")


class RefreshSettings(Settings):
    """Settings of `refresh`: the partition and its source."""

    name: IndexName = Field(description="Name of the index.")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=1,
        description="Parquet file or folder of the partition, the whole dataset with its key=value folders, or a "
        "Delta or Iceberg table.",
    )
    source_version: SourceVersion = None
    partition: Partition = Field(
        description="Partition, in the spelling of its folders, such as date=2026-11-01 or region=eu/date=2026-11-01.",
    )
    id: IdOfBuild = None
    vector: VectorOfBuild = None
    allow_empty: bool = Field(
        default=False, description="Delete all documents of the partition if the source has no rows of it."
    )
    again: bool = Field(
        default=False,
        description="Write the partition even if these files were applied before. This overwrites later changes to "
        "its documents.",
    )
