"""Chooses the effort of a search: the caller's, or enough for a recall. Pure: no I/O.

Under a filter the chosen effort is then scaled by `lsh_core.retrieval.contract.Retrieval.effort_under_filter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lsh_core.errors import SettingsError
from lsh_core.models.effort import Effort
from lsh_core.search.searchable_build import SearchableBuild


def requested_effort(build: SearchableBuild, efforts: Mapping[str, float]) -> Effort:
    """Return the effort that the caller requests.

    Parameters
    ----------
    efforts
        One effort by its unit.

    Raises
    ------
    SettingsError
        A unit belongs to another strategy, two units are given, or the effort is outside the bounds of the server.
    """
    strategy = build.field.strategy
    wanted = " or ".join(strategy.effort_units)
    for unit, value in efforts.items():
        if unit not in strategy.effort_units:
            raise SettingsError(unit, value, f"the model of {build.index} is {build.field.model}: use {wanted}")
    (unit, value), *others = efforts.items()
    for other, number in others:
        raise SettingsError(other, number, f"is given beside {unit}: use {wanted}")
    return strategy.checked_effort(unit, value)


def effort_for_recall(build: SearchableBuild, recall: float | None) -> Effort | None:
    """Return the effort that was measured to reach `recall`; default: the build's target.

    Returns
    -------
    Effort or None
        None: no measured effort reaches it, so all rows are scanned.

    Raises
    ------
    SettingsError
        A recall is requested, but the build was not measured.
    """
    if recall is None:
        return _effort(build, build.field.effort if build.curve is None else build.curve.effort)
    if build.curve is None:
        reason = (
            f"index {build.index} has no measured recall: build it again, or set {build.model.effort_name} yourself"
        )
        raise SettingsError("recall", recall, reason)
    return _effort(build, build.curve.effort_for(recall))


def _effort(build: SearchableBuild, value: float | None) -> Effort | None:
    return None if value is None else build.field.strategy.effort(value)


def effort_for_recall_filtered(build: SearchableBuild, recall: float | None) -> Effort | None:
    """Return the effort for half the misses that `effort_for_recall` allows; None: a scan.

    If no measured effort is enough, the largest measured one is returned. The measured curve holds for queries that lie
    among rows; queries far from all matching rows miss more with the same effort. Over 63,166 text embeddings with a
    target of .95 and a filter that half of the rows pass, recall was .958 for rows drawn at random, and .929 for the
    rows around one row.
    """
    effort = effort_for_recall(build, recall)
    if effort is None or build.curve is None:
        return effort
    wanted = (1 + (build.curve.target if recall is None else recall)) / 2
    more = build.curve.effort_for(wanted)
    return replace(effort, value=max(effort.value, build.curve.points[-1].effort if more is None else more))
