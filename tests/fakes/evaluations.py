"""What an evaluation found, made up."""

from __future__ import annotations

from typing import Any

from lsh_core.evaluation.evaluation_report import EvaluationReport

EFFORTS = (1, 2, 3, 5, 8, 11, 17, 24, 38, 58, 86, 130)


def made_point(effort: int, half: float = 2.0, rows: int = 10_000) -> dict[str, Any]:
    recall = round(1 - 0.5 ** ((effort / half) ** 0.6), 4)
    return {
        "effort": effort,
        "recall": recall,
        "recall_low": round(max(0.0, recall - 0.006), 4),
        "recall_p5": round(recall * 0.8, 1),
        "scored": round(min(rows, 40.0 * effort), 1),
        "p50_ms": round(0.8 + 0.02 * effort, 2),
        "p95_ms": round(1.5 + 0.04 * effort, 2),
        "p99_ms": round(2.5 + 0.05 * effort, 2),
        "loaded_p50_ms": round(4 + 0.08 * effort, 2),
        "loaded_p95_ms": round(7 + 0.16 * effort, 2),
        "loaded_p99_ms": round(9 + 0.2 * effort, 2),
        "queries": 2_000,
        "per_second": round(1_500 / (1 + effort / 40), 1),
    }


def made_evaluation(*, efforts: tuple[int, ...] = EFFORTS, half: float = 2.0, **changes: Any) -> EvaluationReport:
    """Return the report of a build whose default effort is 24 lists."""
    own = made_point(24, half)
    return EvaluationReport.from_json(
        {
            "name": "packages",
            "build": "20261121t000650-8ee64e",
            "index": "airlsh-packages-20261121t000650-8ee64e",
            "model": "ivf",
            "metric": "cosine",
            "rows": 10_000,
            "own_queries": False,
            "effort_name": "probes",
            "target": 0.9,
            "k": 10,
            **own,
            "histogram": [0, 0, 1, 0, 4, 10, 25, 60, 150, 350, 1_400],
            "recall_at": {
                "1": {"recall": 0.991, "recall_p5": 1.0, "histogram": [18, 1_982]},
                "10": {"recall": 0.974, "recall_p5": 0.8, "histogram": [0, 0, 1, 0, 4, 10, 25, 60, 150, 350, 1_400]},
                "100": {"recall": 0.911, "recall_p5": 0.62, "histogram": [0] * 60 + [50] * 40 + [0]},
            },
            "distance_ratio": 1.00123,
            "curve": [made_point(effort, half) for effort in efforts],
            "changes": 0,
            "blurred": 0.01,
            "evaluated_at": "2026-11-21T15:51:24.602+00:00",
            **changes,
        }
    )


def made_health(**changes: Any) -> dict[str, Any]:
    """Return the hash health of such a build: two lists hold far more than their share."""
    sizes = [2_400, 1_300, 300, 260, 240, 220, 180, 150, 120, 90, 60, 30, 9, 1]
    largest = [
        {"token": f"Zk3x{number:03d}", "rows": size, "share": size / 40_000} for number, size in enumerate(sizes[:10])
    ]
    return {
        "possible": 833,
        "used": 801,
        "occupancy": 801 / 833,
        "entropy": 0.912,
        "sizes": sizes,
        "size_ranks": [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 801],
        "largest": largest,
        "hot": largest[:2],
        "touched": 0.096,
        "sampled_rows": None,
        "warnings": [{"what": "2 lists hold 9 % of the rows.", "remedy": "Train with `--lists 1600`."}],
        **changes,
    }
