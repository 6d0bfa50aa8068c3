from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsh_core.errors import SettingsError
from lsh_core.search.request import checked_request

ASKED: dict[str, Any] = {"k": 5, "fields": (), "query_filter": None, "recall": None, "effort": {}}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"k": 2.5}, "k=2.5"),
        ({"k": True}, "k=True"),
        ({"k": "3"}, "k='3'"),
        ({"k": 0}, "k=0"),
        ({"k": 10_001}, "k=10001"),
        ({"recall": "x"}, "recall='x'"),
        ({"recall": 1.5}, "recall=1.5"),
        ({"recall": float("nan")}, "recall=nan"),
        ({"effort": {"probes": 2.5}}, "probes=2.5"),
        ({"recall": 0.9, "effort": {"probes": 2}}, "decides the effort"),
        ({"but": ""}, "id=''"),
        ({"but": 5}, "id=5"),
        ({"fields": "score"}, "fields='score'"),
    ],
)
def test_what_cannot_be_asked_for(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        checked_request(**{**ASKED, **wrong})


def test_numbers_of_numpy_are_numbers() -> None:
    request = checked_request(**{**ASKED, "k": np.int64(3), "recall": np.float32(0.5)})
    assert request.k == 3
    assert checked_request(**{**ASKED, "effort": {"probes": np.int32(7), "candidates": None}}).effort == {"probes": 7}
