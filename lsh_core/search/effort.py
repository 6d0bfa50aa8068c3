"""Effort of a search: what the caller asks for, or enough for a recall. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from lsh_core.builds.mapping import VectorField
from lsh_core.errors import SettingsError
from lsh_core.retrieval.contract import EXACT_ROWS
from lsh_core.search.searchable_build import SearchableBuild

__all__ = [
    "EXACT_ROWS",
    "can_look_up",
    "effort_asked_for",
    "effort_for_recall",
    "effort_for_recall_filtered",
    "effort_range",
    "effort_under_filter",
]


def effort_range(build: SearchableBuild, k: int, rows: int) -> tuple[int, int]:
    """Return the smallest and the greatest effort of a search for `k` of `rows` rows."""
    return build.field.strategy.effort_range(k, rows)


def effort_asked_for(build: SearchableBuild, asked: Mapping[str, int]) -> int | None:
    """Return the effort that the caller asks for, in the unit of the build's strategy; None: airlsh chooses.

    Parameters
    ----------
    asked
        Efforts by their units: at most that of the build's strategy.

    Raises
    ------
    SettingsError
        The unit is that of another strategy, or the effort is outside the bounds of the server.
    """
    strategy = build.field.strategy
    wanted = strategy.effort_unit
    for unit, value in asked.items():
        if unit != wanted:
            raise SettingsError(unit, value, f"index {build.index} has an {build.field.kind} model: use {wanted}")
    effort = asked.get(wanted)
    return None if effort is None else strategy.checked_effort(effort)


def effort_for_recall(build: SearchableBuild, recall: float | None) -> int | None:
    """Return the effort that was measured to be enough for `recall`, or for the target of the build.

    Returns
    -------
    int or None
        None: no effort was; all rows are scanned.

    Raises
    ------
    SettingsError
        A recall is asked for, and the build was not measured.
    """
    if recall is None:
        return build.field.effort if build.curve is None else build.curve.effort
    if build.curve is None:
        reason = (
            f"index {build.index} has no measured recall: build it again, or set {build.model.effort_name} yourself"
        )
        raise SettingsError("recall", recall, reason)
    return build.curve.effort_for(recall)


def effort_for_recall_filtered(build: SearchableBuild, recall: float | None) -> int | None:
    """Return the effort for half as many misses as `effort_for_recall` allows, or the greatest measured; None: a scan.

    What was measured holds for queries that lie among rows. Those far from all rows that pass a filter miss more, by as
    much effort: over 63,166 text embeddings at a target of .95, where half of the rows pass, .958 are found if these
    are drawn at random, .929 if they are those around one row.
    """
    effort = effort_for_recall(build, recall)
    if effort is None or build.curve is None:
        return effort
    wanted = (1 + (build.curve.target if recall is None else recall)) / 2
    more = build.curve.effort_for(wanted)
    return max(effort, build.curve.points[-1].effort if more is None else more)


def effort_under_filter(build: SearchableBuild, effort: int | None, *, rows: int, passing: int) -> int | None:
    """Return the effort that finds as much among the rows that pass a filter as `effort` does among all.

    Parameters
    ----------
    rows
        Rows of the index.
    passing
        Rows that pass.

    Returns
    -------
    int or None
        None: all rows that pass are scanned.
    """
    if effort is None:
        return None
    field = build.field
    return field.strategy.effort_under_filter(effort, rows=rows, passing=passing, default=field.effort)


def can_look_up(field: VectorField, effort: int) -> bool:
    """Return whether a search by a stored row's id finds as much as a search by its vector with this effort."""
    return field.strategy.can_look_up(effort)
