"""Metrics: distances between vectors, each defined by one object."""

from __future__ import annotations

from lsh_core.metrics.registry import metric_named, metric_names

__all__ = ["metric_named", "metric_names"]
