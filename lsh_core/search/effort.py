"""Effort of a search: what the caller asks for, or enough for a recall. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from lsh_core.errors import SettingsError
from lsh_core.search.searchable_build import SearchableBuild


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
            raise SettingsError(unit, value, f"index {build.index} has an {build.field.model} model: use {wanted}")
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
