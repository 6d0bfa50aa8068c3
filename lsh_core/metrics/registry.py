"""Register of metrics by name."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lsh_core.built_in import METRICS

if TYPE_CHECKING:
    from lsh_core.metrics.contract import Metric


def metric_names() -> tuple[str, ...]:
    """Return the names of all metrics."""
    return METRICS.names()


def metric_named(name: str) -> Metric:
    """Return the metric of a name; one object for each metric and process.

    Raises
    ------
    SettingsError
        No metric has this name; the message lists the known names.
    PluginError
        The package of the metric cannot be imported, or its class is not a metric.
    """
    return _made(METRICS.load(name))


@lru_cache(maxsize=64)
def _made(found: Any) -> Metric:
    from lsh_core.errors import PluginError
    from lsh_core.metrics.contract import Metric

    if not issubclass(found, Metric):
        raise PluginError(METRICS.group, found.name, found.__module__, "is not a subclass of lsh_core.metrics.Metric")
    made: Metric = found()
    return made
