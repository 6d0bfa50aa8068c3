from __future__ import annotations

from typing import get_args

import pytest

from lsh_core.errors import SettingsError
from lsh_core.models import MODELS, load_model, make_model
from lsh_core.settings import ModelName, TrainSettings


def test_names():
    assert {kind: model.kind for kind, model in MODELS.items()} == {kind: kind for kind in get_args(ModelName)}


def test_none_means_the_default_whoever_it_is_for():
    assert make_model("ivf", tables=None, lists=7).get_params() == {
        "metric": "l2",
        "seed": 0,
        "lists": 7,
        "spill": None,
        "hash_backend": "numpy",
    }


def test_knobs_of_another_kind_are_refused():
    with pytest.raises(SettingsError, match="tables=3: is not a setting of ivf models"):
        make_model("ivf", tables=3)


def test_unknown_kinds_name_the_known_ones():
    for call in (lambda: make_model("annoy"), lambda: load_model("annoy", {}, {})):
        with pytest.raises(SettingsError, match="ivf, hyperplane, subspace, hnsw"):
            call()


def test_the_form_knows_every_setting_of_every_kind():
    fields = set(TrainSettings.model_fields)
    for kind in MODELS:
        assert set(make_model(kind).get_params()) <= fields
