"""Diagnoses a build by its figures. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from lsh_core.evaluation.diagnostics import Diagnostic
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.hash_warnings import FEW_ROWS

_FEW_QUERIES = 100
_MAX_BLURRED = 0.05
_K = 10
"""Number of neighbours of a build's target."""


def diagnose(result: EvaluationReport) -> Iterator[Diagnostic]:
    """Yield diagnostics from the figures of an evaluation, most important first."""
    name, unit, target = result.name, result.effort_name, result.target
    if result.effort is None:
        if result.rows >= FEW_ROWS:
            yield Diagnostic(
                f"Searches scan all {result.rows:,} rows: nothing less was sure to find what the build promises.",
                f"Train a model that finds more (`airlsh train {name} --model ivf`), and index with it again.",
            )
    elif target is not None and result.k == _K and _upper_bound(result) < target:
        enough = next((point.effort for point in result.curve if point.recall_low >= target), None)
        yield Diagnostic(
            f"Searches find {result.recall:.3f} of the nearest, less than the target of {target:g}.",
            f"Train a model that finds more (`airlsh train {name} --model ivf`), and index with it again."
            if enough is None
            else f"Search with `--{unit.replace('_', '-')} {enough}`, which finds it, or index again with a higher "
            "`--recall-target`.",
        )
    if result.blurred > _MAX_BLURRED:
        yield Diagnostic(
            f"The neighbours of {result.blurred:.0%} of the queries are so near that a float32 score does not tell "
            "them from others close by: what is found may be those others, and is counted as right.",
            "Index the vectors multiplied by a number, such as 1,000.",
        )
    if result.changes:
        yield Diagnostic(
            f"{result.changes:,} rows were written or deleted meanwhile: what was true at first is not what was "
            "searched, so the recall seems lower than it is.",
            "Evaluate again when nobody writes.",
        )
    if result.queries < _FEW_QUERIES:
        yield Diagnostic(
            f"{result.queries} queries tell little: the recall of all queries there may be lies within wide bounds.",
            f"Evaluate with {_FEW_QUERIES} queries or more, better 2,000.",
        )
    if result.favours_own_rows and not result.own_queries:
        yield Diagnostic(
            "The queries are rows of the index: a graph finds their neighbours more easily than those of others.",
            f"Evaluate with queries of your own: `airlsh evaluate {name} --queries FILE`.",
        )
    if result.health is not None:
        yield from result.health.warnings


def _upper_bound(result: EvaluationReport) -> float:
    """Return the upper bound, as far above the mean as the lower bound is below."""
    return 2 * result.recall - result.recall_low
