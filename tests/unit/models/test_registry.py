from __future__ import annotations

import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import load_model, make_model, model_classes, model_names


def test_names():
    assert model_names() == ("ivf", "hyperplane", "subspace", "hnsw")
    assert tuple(model.name for model in model_classes()) == model_names()


def test_none_means_the_default_whoever_it_is_for():
    assert make_model("ivf", tables=None, lists=7).get_params() == {
        "metric": "l2",
        "seed": 0,
        "lists": 7,
        "spill": None,
        "soar": None,
        "hash_backend": "numpy",
    }


def test_knobs_of_another_model_are_refused():
    with pytest.raises(SettingsError, match=r"tables=3: is not a knob of ivf models: .*there are lists, spill"):
        make_model("ivf", tables=3)


def test_unknown_models_name_the_known_ones():
    for call in (lambda: make_model("annoy"), lambda: load_model("annoy", {}, {})):
        with pytest.raises(SettingsError, match="ivf, hyperplane, subspace, hnsw"):
            call()
