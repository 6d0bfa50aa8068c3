"""Sets scales and ticks of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_WIDE = 6
"""Ratio of largest to smallest value from which an axis is logarithmic."""
_RECALLS = (1.0, 0.9, 0.99, 0.999, 0.5, 0.95, 0.98, 0.995, 0.8, 0.998, 0.9995, 0.9999, 0.7, 0.3)
"""Rounder ticks come first: of ticks that would touch, the first stays."""
_CLOSEST_TICKS = 0.13


def by_effort(axes: Axes, efforts: Sequence[float], unit: str) -> None:
    """Make an x axis of efforts: logarithmic, but for reaches, which lie closely around 1."""
    axes.set_xlabel(unit)
    if efforts[-1] <= _WIDE * efforts[0]:
        margin = 0.04 * (efforts[-1] - efforts[0]) or 0.1
        axes.set_xlim(efforts[0] - margin, efforts[-1] + margin)
        return
    axes.set_xscale("log")
    axes.set_xlim(efforts[0] / 1.12, efforts[-1] * 1.12)
    _one_two_five(axes.xaxis)


def log_ranks(axes: Axes, ranks: Sequence[float]) -> None:
    """Make an x axis of ranks."""
    axes.set_xscale("log")
    axes.set_xlim(0.9, max(2, ranks[-1]) * 1.1)
    _powers(axes.xaxis) if ranks[-1] > 1_000 else _one_two_five(axes.xaxis)


def log_rows(axes: Axes, rows: Iterable[float]) -> None:
    """Make a y axis of numbers of rows."""
    above_none = [each for each in rows if each > 0] or [1]
    axes.set_yscale("log")
    axes.set_ylim(min(above_none) / 1.6, max(above_none) * 1.6)
    _powers(axes.yaxis) if max(above_none) > 100 * min(above_none) else _one_two_five(axes.yaxis)


def log_if_wide(axes: Axes, values: Sequence[float]) -> None:
    """Make the y axis logarithmic if the values differ widely; else start it at zero."""
    if max(values) > _WIDE * min(values) > 0:
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 1.3, max(values) * 1.5)
        _one_two_five(axes.yaxis)
    else:
        axes.set_ylim(0, max(values) * 1.18)
        axes.yaxis.set_major_formatter(_number)


def by_misses(axes: Axes, recall: Sequence[float], judged: int) -> list[float]:
    """Scale the x axis of recall by the logarithm of misses.

    From .9 to .99 is as wide as from .99 to .999, as in ann-benchmarks (Aumüller, Bernhardsson, Faithfull, 2020,
    section 4).

    Parameters
    ----------
    judged
        Number of all judged neighbours; a recall without misses is drawn at half a miss.

    Returns
    -------
    list of float
        Positions of the recalls on the axis.
    """

    def place(each: float) -> float:
        return -math.log10(max(1 - each, 0.5 / judged))

    places = [place(each) for each in recall]
    margin = 0.06 * (max(places) - min(places)) or 0.1
    left, right = min(places) - margin, max(places) + margin
    axes.set_xlim(left, right)
    shown: list[float] = []
    for each in _RECALLS if max(recall) == 1 else _RECALLS[1:]:
        fits = left <= place(each) <= right
        if fits and all(abs(place(each) - place(other)) > _CLOSEST_TICKS * (right - left) for other in shown):
            shown.append(each)
    axes.set_xticks([place(each) for each in shown], [f"{each:g}" for each in shown])
    return places


def _one_two_five(axis: Axis) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_number)


def _powers(axis: Axis) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(_number)


def _number(value: float, _position: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"
