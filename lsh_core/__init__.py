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
find_services, Services              the services that a verb works with: Elasticsearch and Dask
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
from typing import Any

_NAMES = {
    "lsh_core.elastic.connection": ("Connection",),
    "lsh_core.errors": (
        "AccessError",
        "AirlshError",
        "AliasError",
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
    "lsh_core.jobs.builds": ("list_builds", "promote", "rollback", "show_build"),
    "lsh_core.jobs.changes": ("delete", "upsert"),
    "lsh_core.jobs.dead_letters": ("list_dead_letters", "replay_dead_letters"),
    "lsh_core.jobs.evaluate": ("evaluate",),
    "lsh_core.jobs.features": ("compute_features",),
    "lsh_core.jobs.index": ("index",),
    "lsh_core.jobs.models": ("list_models", "show_model"),
    "lsh_core.jobs.refresh": ("refresh",),
    "lsh_core.jobs.report": ("report",),
    "lsh_core.jobs.retention": ("abandon", "retire"),
    "lsh_core.jobs.services": ("Services",),
    "lsh_core.jobs.train": ("train",),
    "lsh_core.local.connect": ("connect", "find_services"),
    "lsh_core.search.query_encoder": ("QueryEncoder",),
    "lsh_core.search.request": ("SearchRequest",),
    "lsh_core.search.results": ("Neighbour", "SearchResult"),
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
    "lsh_core.version": ("__version__",),
}
"""Public names of each module. ``__init__.pyi`` repeats them for type checkers."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
