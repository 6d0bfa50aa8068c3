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
MIN_RECALL = 0.7
MIN_SPEED = 10.0


def main() -> None:
    figures, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads(figures.read_text())
    shown = [line(result) for result in results]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        recalls = [point["recall"] for points in shown for point in points]
        places = iter(axis_scales.by_misses(axes, recalls, results[0]["queries"] * results[0]["k"]))
        axis_scales.log_if_wide(axes, [point["per_second"] for points in shown for point in points])
        for result, points in zip(results, shown, strict=True):
            kind = result["model"]
            axes.plot(
                [next(places) for _ in points],
                [point["per_second"] for point in points],
                color=COLOURS[kind],
                marker=MARKERS[kind],
                markersize=4,
                linewidth=1.6,
                label=kind,
            )
        axes.set_xlabel(f"recall@{results[0]['k']}")
        axes.set_ylabel("searches/s, 8 clients")
        axes.legend(frameon=False)

    alt = "Searches a second by recall: " + "; ".join(
        f"{result['model']} {points[0]['per_second']:,.0f} at {points[0]['recall']:.2f} "
        f"and {points[-1]['per_second']:,.0f} at {points[-1]['recall']:.3f}"
        for result, points in zip(results, shown, strict=True)
    )
    target.write_text(drawn(draw, key=target.stem, alt=alt, inches=(7.5, 4.2)))


def line(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the points that somebody would choose: those that no other beats in recall and in speed."""
    best: list[dict[str, Any]] = []
    for point in sorted(result["curve"], key=lambda each: -each["recall"]):
        if point["recall"] < MIN_RECALL or point["per_second"] < MIN_SPEED:
            continue
        if not best or point["per_second"] > best[-1]["per_second"]:
            best.append(point)
    return best[::-1]


if __name__ == "__main__":
    main()
