from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import fingerprint
from lsh_core.models.hnsw import HNSW


@pytest.mark.parametrize(
    ("knobs", "setting"),
    [
        ({"m": 1}, "m"),
        ({"m": 513}, "m"),
        ({"ef_construction": 1}, "ef_construction"),
        ({"ef_construction": 3201}, "ef_construction"),
    ],
)
def test_impossible_knobs(knobs, setting, clustered):
    with pytest.raises(SettingsError) as caught:
        HNSW(**knobs).fit(clustered(100))
    assert caught.value.setting == setting


def test_the_graph_is_the_servers_unless_told(clustered):
    assert HNSW().fit(clustered(100)).graph == {"m": 16, "ef_construction": 100}
    assert HNSW(m=8, ef_construction=40).fit(clustered(100)).graph == {"m": 8, "ef_construction": 40}


def test_rows_have_no_tokens(clustered):
    model = HNSW().fit(clustered(100))
    assert model.encode(clustered(7), near=3).tokens.shape == (7, 0)
    assert model.probe(clustered(4), 100).shape == (4, 0)


def test_a_model_is_its_knobs_and_its_dimensions(clustered):
    same = [HNSW(m=8).fit(clustered(rows)) for rows in (100, 200)]
    others = [HNSW(m=9).fit(clustered(100)), HNSW(m=8).fit(clustered(100, dims=5))]
    assert len({fingerprint(model) for model in same}) == 1
    assert len({fingerprint(model) for model in (same[0], *others)}) == 3
