"""Draws the figures of an evaluation report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lsh_core.evaluation import axis_scales
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.frontier import FrontierPoint
from lsh_core.evaluation.hash_health import HashHealth
from lsh_core.evaluation.number_format import per_cent
from lsh_core.evaluation.svg import ALERT, FAINT, INK, LINE, LIVE, TEXT
from lsh_core.models.effort import Effort

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_LABELLED_BARS = 12


def _own_point(result: EvaluationReport) -> FrontierPoint | None:
    return next((point for point in result.curve if point.effort == result.effort), None)


def _column(result: EvaluationReport, name: str) -> list[float]:
    return [getattr(point, name) for point in result.curve]


def draw_recall(result: EvaluationReport, figure: Figure) -> None:
    """Draw recall by effort, its lower bound, and the target."""
    axes = figure.add_subplot()
    efforts, recall, low = (_column(result, name) for name in ("effort", "recall", "recall_low"))
    axis_scales.by_effort(axes, efforts, result.effort_name)
    axes.fill_between(efforts, low, recall, color=FAINT, linewidth=0)
    axes.plot(efforts, low, color=FAINT, linewidth=1)
    axes.plot(efforts, recall, color=LINE, linewidth=1.6, marker="o", markersize=4)
    target = result.target
    axes.set_ylim(min([0.9, *low] if target is None else [0.9, target - 0.02, *low]) - 0.02, 1.01)
    axes.set_ylabel(f"recall@{result.k}")
    if target is not None:
        met = recall[-1] >= target  # The curve ends above the line if the target is met, and stays below it otherwise.
        _level(axes, target, f"target {target:g}", right=met, below=met)
    _mark_own(axes, result, "recall", str(Effort(result.effort_name, result.effort or 0)))


def draw_frontier(result: EvaluationReport, figure: Figure) -> None:
    """Draw cost by recall: milliseconds of one client, searches per second of eight."""
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.08})
    for axes, name, label in (
        (left, "p50_ms", "median of a search, ms"),
        (right, "per_second", "searches/s, 8 clients"),
    ):
        places = axis_scales.by_misses(axes, _column(result, "recall"), result.queries * result.k)
        values = _column(result, name)
        axis_scales.log_if_wide(axes, values)
        axes.plot(places, values, color=LINE, linewidth=1.6, marker="o", markersize=4)
        axes.set_xlabel(f"recall@{result.k}")
        axes.set_ylabel(label)
        own = next((n for n, point in enumerate(result.curve) if point.effort == result.effort), None)
        if own is not None:
            axes.plot(places[own], values[own], color=LIVE, marker="o", markersize=8)
        for n in sorted({0, len(places) - 1} | ({own} if own is not None else set())):
            _label(axes, (places[n], values[n]), f"{result.curve[n].effort:,}", live=n == own)
    left.set_title(f"labels: {result.effort_name}", loc="left", fontsize=9, color=TEXT)


def draw_histogram(result: EvaluationReport, figure: Figure) -> None:
    """Draw a histogram of queries by found neighbours."""
    axes = figure.add_subplot()
    counts, k = result.histogram, result.k
    shares = [100 * count / result.queries for count in counts]
    bars = axes.bar(range(k + 1), shares, width=0.8, color=LINE)
    if k <= _MAX_LABELLED_BARS:
        axes.bar_label(bars, [f"{share:.1f} %" if share else "" for share in shares], padding=2, color=TEXT, fontsize=9)
        axes.set_xticks(range(k + 1))
    axes.margins(y=0.12)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"true neighbours that a query found, of {k}")
    axes.set_ylabel("queries, %")


def draw_scored(result: EvaluationReport, figure: Figure) -> None:
    """Draw the rows that are compared with a query, by effort."""
    axes = figure.add_subplot()
    efforts, scored = _column(result, "effort"), _column(result, "scored")
    axis_scales.by_effort(axes, efforts, result.effort_name)
    axes.plot(efforts, scored, color=LINE, linewidth=1.6, marker="o", markersize=4)
    axis_scales.log_rows(axes, [*scored, result.rows])
    axes.set_ylabel("rows compared")
    _level(axes, result.rows, f"all {result.rows:,} rows")
    own = _own_point(result)
    share = 0.0 if own is None or own.scored is None else own.scored / result.rows
    own_effort = Effort(result.effort_name, result.effort or 0)
    _mark_own(axes, result, "scored", f"{own_effort}: {per_cent(share)} of the rows")


def _level(axes: Axes, value: float, label: str, *, right: bool = False, below: bool = True) -> None:
    """Draw a reference level."""
    axes.axhline(value, color=TEXT, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        label,
        (0.99 if right else 0.01, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, -4 if below else 4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top" if below else "bottom",
        color=TEXT,
    )


def _mark_own(axes: Axes, result: EvaluationReport, name: str, label: str) -> None:
    """Mark the default effort."""
    own = _own_point(result)
    if own is None:
        return
    axes.axvline(own.effort, color=LIVE, linewidth=1, zorder=1.5)
    value = getattr(own, name)
    axes.plot(own.effort, value, color=LIVE, marker="o", markersize=8)
    beyond = axes.transAxes.inverted().transform(axes.transData.transform((own.effort, value)))[0] > 0.5
    axes.annotate(
        f"default: {label}",
        (own.effort, 0.04),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-6 if beyond else 6, 0),
        textcoords="offset points",
        ha="right" if beyond else "left",
        color=LIVE,
        fontweight="bold",
    )


def _label(axes: Axes, place: tuple[float, float], text: str, *, live: bool) -> None:
    axes.annotate(
        text,
        place,
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        color=LIVE if live else TEXT,
        fontweight="bold" if live else "normal",
        fontsize=9,
        bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.5},
    )


def draw_sizes(health: HashHealth, figure: Figure) -> None:
    """Draw the rows of each token, the largest first."""
    axes = figure.add_subplot()
    sizes, ranks = health.sizes, health.size_ranks
    each_rank = np.interp(np.arange(1, ranks[-1] + 1), ranks, sizes)
    even = float(each_rank.sum()) / health.possible
    axes.plot(ranks, sizes, color=LINE, linewidth=1.6, marker="o", markersize=3)
    axis_scales.log_rows(axes, [*sizes, max(1, even)])
    axis_scales.log_ranks(axes, ranks)
    axes.set_xlabel("tokens, the largest first (rank)")
    axes.set_ylabel("rows")
    if even >= 1:
        _level(axes, even, f"if all held as many: {even:,.0f}")


def draw_largest(health: HashHealth, figure: Figure) -> None:
    """Draw the largest tokens, with overfull tokens in colour."""
    axes = figure.add_subplot()
    largest = health.largest
    hot = {each.token for each in health.hot}
    places = range(len(largest))
    bars = axes.barh(
        places,
        [each.rows for each in largest],
        color=[ALERT if each.token in hot else LINE for each in largest],
        height=0.7,
    )
    labels = [f"{each.rows:,} ({per_cent(each.share)})" for each in largest]
    axes.bar_label(bars, labels, padding=4, color=TEXT, fontsize=9)
    axes.set_yticks(places, [each.token for each in largest], color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("rows")
