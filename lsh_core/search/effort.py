"""How much a query does: what the caller asks for, or what is enough under its filter. Pure: no I/O."""

from __future__ import annotations

import math

from lsh_core.errors import SettingsError
from lsh_core.search.live_build import ResolvedBuild
from lsh_core.search.queries import MOST_RESULTS

EXACT_ROWS = 20_000
"""Up to so many rows are scanned as fast as a query looks at its lists."""


def effort_asked_for(build: ResolvedBuild, probes: int | None, candidates: int | None) -> int | None:
    """Return the effort that the caller asks for, in the unit of the build's model; None: it leaves that to airlsh.

    Raises
    ------
    SettingsError
        The unit is that of another kind of model, or there is not so much to do.
    """
    wanted = build.model.effort_name
    asked = {"probes": probes, "candidates": candidates}
    for unit, value in asked.items():
        if unit != wanted and value is not None:
            raise SettingsError(unit, value, f"index {build.index} has an {build.field.kind} model: use {wanted}")
    effort = asked[wanted]
    most = MOST_RESULTS if wanted == "candidates" else build.model.token_count
    if effort is not None and (effort < 1 or (wanted == "candidates" and effort > most)):
        raise SettingsError(wanted, effort, f"must be from 1 to {most}")
    return effort


def effort_under_filter(build: ResolvedBuild, *, rows: int, passing: int) -> int | None:
    """Return the effort that finds as much among the rows that pass a filter as the default does among all.

    Lists hold fewer of such rows, so more are visited: as many as hold about as many rows that pass as are looked at
    without a filter. Tables rank the rows that pass alone, so their candidates stay as many.

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
    if passing <= EXACT_ROWS:
        return None
    if not build.field.has_lists:
        return build.field.effort
    probes = math.ceil(build.field.effort * rows / passing)
    return probes if probes < build.model.token_count else None
