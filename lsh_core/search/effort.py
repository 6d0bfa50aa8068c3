"""How much a query does: what the caller asks for, or what is enough for a recall. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lsh_core.builds.mapping import VectorField
from lsh_core.errors import SettingsError
from lsh_core.metrics import metric_named
from lsh_core.models.registry import model_class
from lsh_core.search.queries import MAX_RESULTS
from lsh_core.search.searchable_build import SearchableBuild

EXACT_ROWS = 20_000
"""Up to so many rows are scanned as fast as a query looks at its lists."""
MAX_TERMS = 65_536
"""Tokens that the server takes in one filter (``index.max_terms_count``)."""
_SCANNED = 4
"""Ranking rows by their tokens takes longer than comparing a quarter of them more."""


def effort_range(build: SearchableBuild, k: int, rows: int) -> tuple[int, int]:
    """Return the smallest and the greatest effort of a search for `k` of `rows` rows."""
    if build.field.has_lists:
        return 1, min(build.model.token_count, MAX_TERMS)
    return min(k, rows), min(rows, MAX_RESULTS)


def effort_asked_for(build: SearchableBuild, asked: Mapping[str, int]) -> int | None:
    """Return the effort that the caller asks for, in the unit of the build's model; None: it leaves that to airlsh.

    Parameters
    ----------
    asked
        Efforts by their units: at most that of the build's model.

    Raises
    ------
    SettingsError
        The unit is that of another kind of model, or there is not so much to do.
    """
    wanted = build.model.effort_name
    for unit, value in asked.items():
        if unit != wanted:
            raise SettingsError(unit, value, f"index {build.index} has an {build.field.model} model: use {wanted}")
    effort = asked.get(wanted)
    most = MAX_TERMS if build.field.has_lists else MAX_RESULTS
    if effort is not None and build.field.has_lists:
        effort = min(effort, build.model.token_count)  # To visit more lists than there are is to visit all.
    if effort is not None and not 1 <= effort <= most:
        raise SettingsError(wanted, effort, f"must be from 1 to {most}")
    return effort


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

    Lists hold fewer of such rows, so more are visited: as many as hold about as many rows that pass as are looked at
    without a filter. Tables rank the rows that pass alone, but the nearest of these are further away and share fewer
    tokens, so there are more candidates too, and never fewer than the model holds to be enough: what was measured
    holds for queries that lie among rows, not for those far from all that pass (rows on one side of a plane: .92 of
    their neighbours at the measured effort, scaled, .99 at the model's). The server's graph is gone through until it
    has as many rows that pass.

    Parameters
    ----------
    rows
        Rows of the index.
    passing
        Those that pass.

    Returns
    -------
    int or None
        None: there are so few that all of them are scanned.
    """
    if effort is None or passing <= EXACT_ROWS:
        return None
    if build.field.graph is not None:
        return effort
    scaled = math.ceil(effort * rows / passing)
    if build.field.has_lists:
        return scaled if scaled < min(build.model.token_count, MAX_TERMS) else None
    scaled = max(scaled, build.field.effort)
    return scaled if scaled <= min(MAX_RESULTS, passing // _SCANNED) else None


def can_look_up(field: VectorField, effort: int) -> bool:
    """Return whether a look-up by a row's stored lists or tokens finds as much as a search for its vector.

    With each row its nearest lists are stored, `field.near` of them. A row's own tokens are all that a search uses for
    ``subspace``; not for ``hyperplane``, which looks into more buckets than a row is in (.91 of the neighbours by its
    tokens, .96 by its vector), nor under ``dot``, where rows and queries are hashed differently.
    """
    metric = metric_named(field.metric)
    if not metric.server_scores:  # A look-up compares by the server's similarity.
        return False
    if field.has_lists:
        return effort <= field.near
    return field.graph is not None or (model_class(field.model).tokens_are_probes and not metric.by_product)
