"""Plan: assigns rows to chunks and defines the index.

It is written once, and every later stage reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa

from lsh_core.backends import require_backend
from lsh_core.builds.field_types import field_for, fields_for, parse_overrides
from lsh_core.builds.journal_position import BEFORE_ALL
from lsh_core.builds.mapping import BuildMeta, VectorField, pack_types, unpack_types
from lsh_core.builds.names import physical_index
from lsh_core.builds.records import BuildRecord, BuildRecords
from lsh_core.builds.stage_facts import PlanFacts
from lsh_core.elastic.copies import data_nodes
from lsh_core.elastic.leases import Lease
from lsh_core.errors import SettingsError, SourceChangedError
from lsh_core.jobs.services import Services, dask_client, worker_threads
from lsh_core.jobs.stages.check import read_source, require_same_space
from lsh_core.jobs.stages.draft import shape
from lsh_core.jobs.stages.stage_runner import stage
from lsh_core.live.journal import Journal
from lsh_core.loading.chunk_loader import LoadPlan
from lsh_core.loading.dead_letters import dead_letters_kept
from lsh_core.metrics import metric_named
from lsh_core.models.store import find_model, read_model
from lsh_core.partitions import partition_of
from lsh_core.redaction import redact
from lsh_core.retrieval.registry import retrieval_of
from lsh_core.settings import IndexSettings
from lsh_core.sources.chunks import chunk_rows_for, plan_chunks
from lsh_core.sources.source_facts import SourceFacts
from lsh_core.sources.source_file import Chunk, SourceFile
from lsh_core.version import __version__


@dataclass(frozen=True)
class BuildPlan:
    """Plan of a build, which all later stages follow.

    Attributes
    ----------
    fields
        The ``properties`` of the mapping for the other columns.
    settings_fingerprint
        SHA-256 over everything that determines the documents.
    column_types
        The columns of `fields` with the types that all files share: an Arrow schema, serialised, in base64.
    source_version
        Version of the table; None for plain files.
    """

    index: str
    source: str
    files: tuple[SourceFile, ...]
    chunk_rows: int
    fields: dict[str, dict[str, Any]]
    vector: VectorField
    shards: int
    replicas: int
    settings_fingerprint: str
    column_types: str
    id_column: str = "id"
    source_version: str | None = None

    @property
    def rows(self) -> int:
        """Number of rows of the source."""
        return sum(file.rows for file in self.files)

    @property
    def types(self) -> pa.Schema:
        """Columns of `fields` with the types that all files share."""
        return unpack_types(self.column_types)

    def chunks(self) -> list[Chunk]:
        """Return the chunks; each call returns the same chunks."""
        return plan_chunks(self.files, chunk_rows=self.chunk_rows)

    def partition_of(self, url: str) -> str | None:
        """Return the partition of a source file."""
        return self._partitions[url] if url in self._partitions else partition_of(url)

    @cached_property
    def _partitions(self) -> dict[str, str | None]:
        return {file.url: file.partition for file in self.files}

    def meta(self, name: str, build: str) -> BuildMeta:
        """Return the metadata of the index."""
        return BuildMeta(
            name=name,
            build=build,
            source=redact(self.source),
            settings_fingerprint=self.settings_fingerprint,
            vectors=(self.vector,),
            version=__version__,
            id_column=self.id_column,
            source_version=self.source_version,
            column_types=pack_types(self._types_mapped_by_default()),
        )

    def _types_mapped_by_default(self) -> pa.Schema:
        """Return the types of the columns whose field follows from their type.

        Live rows must fit these types.
        """
        default = {field.name: field_for(self.source, field.name, field.type) for field in self.types}
        return pa.schema([field for field in self.types if default[field.name] == self.fields.get(field.name)])

    def load_plan(self, settings: IndexSettings, build: str, nodes: tuple[str, ...]) -> LoadPlan:
        """Return the part of the plan that workers need."""
        return LoadPlan(
            build=build,
            id_column=settings.id,
            vector=self.vector,
            fields=self.fields,
            nodes=nodes,
            request_bytes=settings.request_bytes,
            posting_threads=settings.posting_threads,
            types=self.types,
            dead_letters_per_chunk=dead_letters_kept(len(self.chunks())),
            dead_letter_days=settings.dead_letter_days,
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> BuildPlan:
        """Read the stored form of a plan.

        Raises
        ------
        SettingsError
            Another version of airlsh made the plan: fields are missing or unknown.
        """
        try:
            return cls._from_json(document)
        except (KeyError, TypeError) as error:
            reason = f"another version of airlsh planned it ({error}): start a new run without --resume"
            raise SettingsError("build", document.get("index"), reason) from error

    @classmethod
    def _from_json(cls, document: Mapping[str, Any]) -> BuildPlan:
        own = dict(document)
        files = tuple(
            SourceFile(
                **{
                    **file,
                    "row_group_rows": tuple(file["row_group_rows"]),
                    "partition_values": tuple((key, value) for key, value in file["partition_values"]),
                    "partition_types": tuple((key, type_) for key, type_ in file.get("partition_types", ())),
                }
            )
            for file in own.pop("files")
        )
        return cls(files=files, vector=VectorField(**own.pop("vector")), **own)


@stage
def plan(settings: IndexSettings, build: str, services: Services, lease: Lease) -> PlanFacts:
    """Plan the build; a build that was planned before keeps its plan.

    Raises
    ------
    SourceChangedError
        The build was planned before with other files.
    """
    cluster = services.cluster
    runs = BuildRecords(cluster)
    record = runs.get(settings.name, build)
    # Before the files are listed: a partition whose refresh begins later may lose rows that are loaded.
    planned_at = Journal(services.cluster, settings.name).barrier()
    made, source = _make_plan(settings, build, services, record)
    if record.plan is not None:
        kept = BuildPlan.from_json(record.plan)
        if kept.files != made.files:
            raise SourceChangedError(
                settings.source, f"{kept.rows} rows in {len(kept.files)} files", f"{made.rows} in {len(made.files)}"
            )
        made = kept
    else:
        runs.record_plan(build, asdict(made), planned_at)
    return PlanFacts(
        **asdict(source),
        rows=made.rows,
        files=len(made.files),
        chunks=len(made.chunks()),
        chunk_rows=made.chunk_rows,
        shards=made.shards,
        replicas=made.replicas,
    )


def read_plan(settings: IndexSettings, build: str, services: Services) -> BuildPlan:
    """Return the stored plan of `build`."""
    record = BuildRecords(services.cluster).get(settings.name, build)
    return BuildPlan.from_json(record.plan or {})


def _make_plan(
    settings: IndexSettings, build: str, services: Services, record: BuildRecord
) -> tuple[BuildPlan, SourceFacts]:
    """Return the plan, and the facts of the source."""
    cluster = services.cluster
    model_id = record.model_id
    dataset, columns = read_source(settings, record)
    stored = find_model(cluster, settings.name, model_id)
    require_same_space(settings, columns, stored)
    model = read_model(services.cluster, settings.name, model_id)
    strategy = retrieval_of(type(model))
    field = VectorField(
        column=settings.vector,
        dims=columns.dims,
        metric=stored.metric,
        similarity=metric_named(stored.metric).similarity,
        model_id=model_id,
        fingerprint=stored.fingerprint,
        model=stored.model,
        effort=model.default_effort(dataset.rows),
        retrieval=strategy.name,
        retrieval_parameters=strategy.parameters_of(model, stored.fingerprint),
        encoder=None if columns.encoder is None else asdict(columns.encoder),
    )
    fields = fields_for(
        settings.source,
        columns.others,
        vector=settings.vector,
        text=settings.text_field,
        overrides=parse_overrides(settings.field_type),
    )
    with dask_client(services) as dask:
        _, threads = worker_threads(dask)
        if model.backend_ != "numpy":  # Checked here, before there is an index.
            dask.run(require_backend, model.backend_, f"model {model_id}, on each Dask worker,")
            if Journal(services.cluster, settings.name).has_any(after=BEFORE_ALL):
                model.check_backend()  # Live changes are hashed in this process, after the load.
    nodes = data_nodes(cluster)
    row_bytes = 4 * columns.dims
    chunk_rows = chunk_rows_for(
        dataset.rows,
        row_bytes=row_bytes,
        nodes=len(services.cluster.urls),
        workers=threads,
        chunk_bytes=settings.chunk_bytes,
    )
    if settings.chunk_rows is not None:
        chunk_rows = min(settings.chunk_rows, max(1, settings.chunk_bytes // row_bytes))
    shards, replicas = shape(settings, field, rows=dataset.rows, nodes=nodes)
    column_types = pack_types(columns.others)
    decides = {
        "vector": asdict(field),
        "fields": fields,
        "column_types": column_types,
        "id": settings.id,
        "version": __version__,
    }
    made = BuildPlan(
        index=physical_index(settings.name, build),
        source=settings.source,
        files=dataset.files,
        chunk_rows=chunk_rows,
        fields=fields,
        vector=field,
        shards=shards,
        replicas=replicas,
        settings_fingerprint=hashlib.sha256(orjson.dumps(decides, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        column_types=column_types,
        id_column=settings.id,
        source_version=dataset.version,
    )
    return made, dataset.facts()
