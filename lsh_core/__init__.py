"""airlsh: similarity search inside stock Elasticsearch, built in batches that are verified before they go live.

Quick start: train a model of the vectors, index the rows, and search the live build.

>>> import lsh_core
>>> services = lsh_core.find_services("http://127.0.0.1:9200")
>>> source = "examples/debian_packages.parquet"
>>> trained = lsh_core.train(lsh_core.TrainSettings(name="packages", source=source, metric="cosine"), services)
>>> indexed = lsh_core.index(
...     lsh_core.IndexSettings(name="packages", source=source, text_field=("description",)), services
... )
>>> with lsh_core.VectorIndex("packages", "http://127.0.0.1:9200") as index:
...     result = index.search(id="gimp", k=3, filter={"term": {"section": "graphics"}})
>>> [neighbour.rank for neighbour in result.neighbours]
[1, 2, 3]

Names of this package are imported when they are first used: ``import lsh_core`` alone imports neither NumPy nor
PyArrow nor the client of Elasticsearch.

===================================  ==============================================================================
connect, Connection                  where Elasticsearch is
find_services, Services              the servers that a verb works with
VectorIndex                          search, and live changes
SearchRequest                        one search
SearchResult, Neighbour              what a search found
QueryEncoder                         texts and images as queries
train, index, evaluate, ...          the verbs; each takes its settings, such as `TrainSettings`, and the services
AirlshError, InputError, ...         the errors, drawn as a tree in `lsh_core.errors`
===================================  ==============================================================================

The packages inside and the one direction in which they import each other are in ``CONTRIBUTING.md``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lsh_core.version import __version__

if TYPE_CHECKING:
    from lsh_core.elastic.connection import Connection
    from lsh_core.errors import (
        AccessError,
        AirlshError,
        ArgumentError,
        BusyError,
        CapacityError,
        CertificateError,
        ChangesGoneError,
        DagRunError,
        DeadLetterLimitError,
        DeviceMemoryError,
        EncoderError,
        FeatureLimitError,
        FeaturesError,
        FilterError,
        ImageError,
        ImagesAwayError,
        IndexTemplateError,
        InputError,
        LeaseHeldError,
        LeaseLostError,
        LoadError,
        MissingPackageError,
        ModelMismatchError,
        NotFoundError,
        OutcomeError,
        PartialAnswerError,
        PluginError,
        PromotionConflictError,
        RequestRefusedError,
        RowNotFoundError,
        RunError,
        SchemaError,
        ServerError,
        SettingsError,
        ShardsMissingError,
        SourceChangedError,
        SourceError,
        SourceMissingError,
        SourceUnavailableError,
        StackError,
        StoppedEarlyError,
        UnavailableError,
        UnexpectedError,
        UnsupportedServerError,
        UnverifiedError,
        VectorError,
        VerificationError,
        WeightsError,
    )
    from lsh_core.jobs.builds import list_builds, rollback, show_build
    from lsh_core.jobs.builds import promote_build as promote
    from lsh_core.jobs.changes import delete, upsert
    from lsh_core.jobs.dead_letters import build_dead_letters as list_dead_letters
    from lsh_core.jobs.dead_letters import replay_dead_letters
    from lsh_core.jobs.evaluate import evaluate
    from lsh_core.jobs.features import compute_features
    from lsh_core.jobs.index import run_index as index
    from lsh_core.jobs.models import list_models, show_model
    from lsh_core.jobs.refresh import refresh_partition as refresh
    from lsh_core.jobs.report import report
    from lsh_core.jobs.retention import abandon, retire
    from lsh_core.jobs.services import Services
    from lsh_core.jobs.train import train
    from lsh_core.local.connect import connect, find_services
    from lsh_core.search.query_encoder import QueryEncoder
    from lsh_core.search.request import SearchRequest
    from lsh_core.search.results import Neighbour, SearchResult
    from lsh_core.search.vector_index import VectorIndex
    from lsh_core.settings import (
        AbandonSettings,
        DeleteSettings,
        EvaluateSettings,
        FeaturesSettings,
        IndexSettings,
        PromoteSettings,
        RefreshSettings,
        ReplaySettings,
        ReportSettings,
        RetireSettings,
        RollbackSettings,
        SearchSettings,
        TrainSettings,
        UpsertSettings,
    )

__all__ = [
    "AbandonSettings",
    "AccessError",
    "AirlshError",
    "ArgumentError",
    "BusyError",
    "CapacityError",
    "CertificateError",
    "ChangesGoneError",
    "Connection",
    "DagRunError",
    "DeadLetterLimitError",
    "DeleteSettings",
    "DeviceMemoryError",
    "EncoderError",
    "EvaluateSettings",
    "FeatureLimitError",
    "FeaturesError",
    "FeaturesSettings",
    "FilterError",
    "ImageError",
    "ImagesAwayError",
    "IndexSettings",
    "IndexTemplateError",
    "InputError",
    "LeaseHeldError",
    "LeaseLostError",
    "LoadError",
    "MissingPackageError",
    "ModelMismatchError",
    "Neighbour",
    "NotFoundError",
    "OutcomeError",
    "PartialAnswerError",
    "PluginError",
    "PromoteSettings",
    "PromotionConflictError",
    "QueryEncoder",
    "RefreshSettings",
    "ReplaySettings",
    "ReportSettings",
    "RequestRefusedError",
    "RetireSettings",
    "RollbackSettings",
    "RowNotFoundError",
    "RunError",
    "SchemaError",
    "SearchRequest",
    "SearchResult",
    "SearchSettings",
    "ServerError",
    "Services",
    "SettingsError",
    "ShardsMissingError",
    "SourceChangedError",
    "SourceError",
    "SourceMissingError",
    "SourceUnavailableError",
    "StackError",
    "StoppedEarlyError",
    "TrainSettings",
    "UnavailableError",
    "UnexpectedError",
    "UnsupportedServerError",
    "UnverifiedError",
    "UpsertSettings",
    "VectorError",
    "VectorIndex",
    "VerificationError",
    "WeightsError",
    "__version__",
    "abandon",
    "compute_features",
    "connect",
    "delete",
    "evaluate",
    "find_services",
    "index",
    "list_builds",
    "list_dead_letters",
    "list_models",
    "promote",
    "refresh",
    "replay_dead_letters",
    "report",
    "retire",
    "rollback",
    "show_build",
    "show_model",
    "train",
    "upsert",
]

_NAMES_OF = {
    "lsh_core.elastic.connection": ("Connection",),
    "lsh_core.errors": (
        "AccessError",
        "AirlshError",
        "ArgumentError",
        "BusyError",
        "CapacityError",
        "CertificateError",
        "ChangesGoneError",
        "DagRunError",
        "DeadLetterLimitError",
        "DeviceMemoryError",
        "EncoderError",
        "FeatureLimitError",
        "FeaturesError",
        "FilterError",
        "ImageError",
        "ImagesAwayError",
        "IndexTemplateError",
        "InputError",
        "LeaseHeldError",
        "LeaseLostError",
        "LoadError",
        "MissingPackageError",
        "ModelMismatchError",
        "NotFoundError",
        "OutcomeError",
        "PartialAnswerError",
        "PluginError",
        "PromotionConflictError",
        "RequestRefusedError",
        "RowNotFoundError",
        "RunError",
        "SchemaError",
        "ServerError",
        "SettingsError",
        "ShardsMissingError",
        "SourceChangedError",
        "SourceError",
        "SourceMissingError",
        "SourceUnavailableError",
        "StackError",
        "StoppedEarlyError",
        "UnavailableError",
        "UnexpectedError",
        "UnsupportedServerError",
        "UnverifiedError",
        "VectorError",
        "VerificationError",
        "WeightsError",
    ),
    "lsh_core.jobs.builds": (
        "list_builds",
        "promote=promote_build",
        "rollback",
        "show_build",
    ),
    "lsh_core.jobs.changes": (
        "delete",
        "upsert",
    ),
    "lsh_core.jobs.dead_letters": (
        "list_dead_letters=build_dead_letters",
        "replay_dead_letters",
    ),
    "lsh_core.jobs.evaluate": ("evaluate",),
    "lsh_core.jobs.features": ("compute_features",),
    "lsh_core.jobs.index": ("index=run_index",),
    "lsh_core.jobs.models": (
        "list_models",
        "show_model",
    ),
    "lsh_core.jobs.refresh": ("refresh=refresh_partition",),
    "lsh_core.jobs.report": ("report",),
    "lsh_core.jobs.retention": (
        "abandon",
        "retire",
    ),
    "lsh_core.jobs.services": ("Services",),
    "lsh_core.jobs.train": ("train",),
    "lsh_core.local.connect": (
        "connect",
        "find_services",
    ),
    "lsh_core.search.query_encoder": ("QueryEncoder",),
    "lsh_core.search.request": ("SearchRequest",),
    "lsh_core.search.results": (
        "Neighbour",
        "SearchResult",
    ),
    "lsh_core.search.vector_index": ("VectorIndex",),
    "lsh_core.settings": (
        "AbandonSettings",
        "DeleteSettings",
        "EvaluateSettings",
        "FeaturesSettings",
        "IndexSettings",
        "PromoteSettings",
        "RefreshSettings",
        "ReplaySettings",
        "ReportSettings",
        "RetireSettings",
        "RollbackSettings",
        "SearchSettings",
        "TrainSettings",
        "UpsertSettings",
    ),
}

_HOME_OF = {
    name.partition("=")[0]: (module, name.rpartition("=")[2]) for module, names in _NAMES_OF.items() for name in names
}
"""Module and attribute of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own_name = _HOME_OF[name]
    value = globals()[name] = getattr(import_module(module), own_name)
    return value


def __dir__() -> list[str]:
    return __all__
