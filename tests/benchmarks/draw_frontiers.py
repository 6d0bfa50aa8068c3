"""Draw what `bench_frontier.py --json` measured: all models of a data set in one picture.

python tests/benchmarks/draw_frontiers.py figures.json docs/images/frontier.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsh_core.evaluation import axis_scales
from lsh_core.evaluation.svg import ALERT, LINE, LIVE, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"ivf": LIVE, "hnsw": LINE, "hyperplane": ALERT, "subspace": "#6d28d9"}
MARKERS = {"ivf": "o", "hnsw": "s", "hyperplane": "^", "subspace": "D"}
CONNECTIONS = "8"


def main() -> None:
    figures, target = Path(sys.argv[1]), Path(sys.argv[2])
    found = json.loads(figures.read_text())
    shown = {each["model"]: points for each in found["models"] if (points := line(each))}

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        recalls = [recall for points in shown.values() for recall, _ in points]
        places = iter(axis_scales.by_misses(axes, recalls, found["queries"] * found["k"]))
        axis_scales.log_if_wide(axes, [speed for points in shown.values() for _, speed in points])
        for kind, points in shown.items():
            axes.plot(
                [next(places) for _ in points],
                [speed for _, speed in points],
                color=COLOURS[kind],
                marker=MARKERS[kind],
                markersize=4,
                linewidth=1.6,
                label=kind,
            )
        axes.set_xlabel(f"recall@{found['k']}")
        axes.set_ylabel(f"searches/s, {CONNECTIONS} connections")
        axes.legend(frameon=False)

    alt = "Searches a second by recall: " + "; ".join(
        f"{kind} {points[0][1]:,.0f} at {points[0][0]:.2f} and {points[-1][1]:,.0f} at {points[-1][0]:.3f}"
        for kind, points in shown.items()
    )
    target.write_text(drawn(draw, key=target.stem, alt=alt, inches=(7.5, 4.2)))


def line(contender: dict[str, Any]) -> list[tuple[float, float]]:
    """Return recall and searches a second of each level."""
    return [(level["point"]["recall"], level["per_second"][CONNECTIONS]) for level in contender["levels"]]


if __name__ == "__main__":
    main()
