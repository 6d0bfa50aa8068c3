"""Example of a model that a package adds: its conformance, and the places it turns up in."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from airlsh_examples.random_lists import RandomLists
from lsh_core.cli.main import main
from lsh_core.errors import SettingsError
from lsh_core.evaluation.hash_health import TokenCounts, assess
from lsh_core.evaluation.hash_warnings import hash_warnings
from lsh_core.models import fingerprint, load_model, make_model, model_names
from lsh_core.settings import TrainSettings, labels_of, validated
from lsh_core.testing import TokenModelConformance, clustered

SOURCE = {"name": "docs", "source": "docs.parquet"}


class TestRandomLists(TokenModelConformance):
    model = RandomLists
    small = {"lists": 40, "spill": 3}
    large = {"lists": 900, "spill": 2}


def test_without_the_package_the_model_is_unknown() -> None:
    assert "random_lists" not in model_names()
    with pytest.raises(SettingsError, match=r"model='random_lists': must be one of ivf, hyperplane, subspace, hnsw$"):
        validated(TrainSettings, SOURCE | {"model": "random_lists"})


@pytest.mark.usefixtures("example_plugins")
def test_it_is_made_and_loaded_by_its_name() -> None:
    assert model_names() == ("ivf", "hyperplane", "subspace", "hnsw", "random_lists")
    model = make_model("random_lists", lists=20).fit(clustered(500))
    assert isinstance(model, RandomLists)
    assert fingerprint(load_model("random_lists", *model.state())) == fingerprint(model)


@pytest.mark.usefixtures("example_plugins")
def test_its_knobs_are_settings() -> None:
    settings = validated(TrainSettings, SOURCE | {"model": "random_lists", "lists": 64})
    assert (settings.model, settings.model_options) == ("random_lists", {"lists": 64})
    with pytest.raises(SettingsError, match=r"^lists=70000: must be less than or equal to 65536$"):
        validated(TrainSettings, SOURCE | {"model": "random_lists", "lists": 70_000})
    with pytest.raises(
        SettingsError, match=r"^bits=3: is not a knob of random_lists models: .*there are lists, spill$"
    ):
        validated(TrainSettings, SOURCE | {"model": "random_lists", "bits": 3})
    lists = TrainSettings.form_fields().model_json_schema()["properties"]["lists"]
    assert lists["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 2**20}  # The widest bounds of both.
    assert lists["description"] == "ivf, random_lists: number of inverted lists; default: from rows."
    assert labels_of(TrainSettings.model_fields["model"])["random_lists"] == "lists around rows drawn from the sample"


@pytest.mark.usefixtures("example_plugins")
def test_the_command_line_offers_it() -> None:
    shown = " ".join(CliRunner().invoke(main, ["train", "--help"]).output.split())
    assert "--model [ivf|hyperplane|subspace|hnsw|random_lists]" in shown
    assert "ivf, random_lists: number of inverted lists" in shown


@pytest.mark.usefixtures("example_plugins")
def test_a_process_of_its_own_finds_it() -> None:
    code = "from lsh_core.models import make_model; print(make_model('random_lists', lists=3))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "RandomLists(metric='l2', seed=0, lists=3, spill=None)\n"


@pytest.mark.usefixtures("example_plugins")
def test_diagnostics_name_its_knob() -> None:
    model = RandomLists(lists=100, spill=2).fit(clustered(3000))
    sizes = np.array([20_000, *[1_818] * 99], dtype=np.int64)
    counts = TokenCounts(100_000, 2, 100, tuple(f"w{place}" for place in range(100)), sizes, np.ones(100))
    found = list(hash_warnings("docs", model, counts, assess(counts, 0.01), scans_all=False, repeated=0))
    assert "`airlsh train docs --source ... --model random_lists --lists 200`" in found[0].remedy
