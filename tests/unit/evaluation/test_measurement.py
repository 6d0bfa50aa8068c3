from __future__ import annotations

import numpy as np
import orjson
import pytest

from lsh_core.evaluation.measurement import Measured
from lsh_core.search.recall_curve import RecallCurve


@pytest.mark.parametrize(("scored", "mean"), [([10.0, 20.0], 15.0), ([np.nan, np.nan], None)])
def test_rows_that_a_graph_led_to_are_not_made_up(scored: list[float], mean: float | None) -> None:
    point = Measured(np.array([1.0, 0.5]), np.array(scored), np.zeros((2, 1))).point(7)
    assert (point.effort, point.recall, point.scored) == (7, 0.75, mean)
    curve = RecallCurve(10, 2, 0.9, 7, (point,))
    assert RecallCurve.from_json(orjson.loads(orjson.dumps(curve.to_json()))) == curve
