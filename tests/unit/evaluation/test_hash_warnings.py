from __future__ import annotations

import re
from dataclasses import fields

import click
import numpy as np
import pytest

from lsh_core.cli.verb_command import command_of
from lsh_core.evaluation.diagnostics import Diagnostic
from lsh_core.evaluation.hash_health import TokenCounts, assess
from lsh_core.evaluation.hash_warnings import hash_warnings, is_heavy
from lsh_core.jobs.verbs import verb
from lsh_core.models import make_model
from lsh_core.models.contract import LSHModel

ROWS = 100_000
SAMPLE = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
MODELS = {
    "ivf": make_model("ivf", lists=100, spill=2).fit(SAMPLE),
    "hyperplane": make_model("hyperplane", tables=4, bits=5).fit(SAMPLE),
    "subspace": make_model("subspace", parts=8, clusters=4).fit(SAMPLE),
}


def told(
    kind: str,
    sizes: list[int],
    *,
    rows: int = ROWS,
    touched: float = 0.01,
    scans_all: bool = False,
    repeated: int = 0,
) -> list[Diagnostic]:
    model: LSHModel = MODELS[kind]
    words = tuple(f"w{place}" for place in range(len(sizes)))
    held = np.array(sizes, dtype=np.int64)
    counts = TokenCounts(rows, model.tokens_per_row, model.token_count, words, held, np.ones(len(sizes)))
    health = assess(counts, touched)
    return list(hash_warnings("docs", model, counts, health, scans_all=scans_all, repeated=repeated))


def test_nothing_is_wrong_with_what_is_even() -> None:
    assert told("ivf", [2_000] * 100) == []
    assert told("hyperplane", [3_125] * 128, touched=0.5) == []
    assert told("subspace", [25_000] * 32, touched=1.0) == []


def test_a_list_that_holds_too_much() -> None:
    (warning,) = told("ivf", [20_000, *[1_818] * 99])
    assert warning.what == "Token w0 holds 20,000 rows, 20% of all."
    assert "`airlsh train docs --source ... --model ivf --lists 200`" in warning.remedy
    assert "`--sample`" in warning.remedy
    assert told("ivf", [15_000, *[1_868] * 99]) == []  # Less than eight times its share.


def test_repeated_rows_have_no_remedy_in_training() -> None:
    (warning,) = told("ivf", [20_000, *[1_818] * 99], repeated=19_500)
    assert warning.what.endswith("About 19,500 rows have the same vector.")
    assert "No model can tell repeated rows apart" in warning.remedy
    assert "--lists" not in warning.remedy
    (warning,) = told("ivf", [20_000, *[1_818] * 99], repeated=3_000)  # They are not what makes it heavy.
    assert "--lists 200" in warning.remedy


def test_of_few_tokens_one_is_heavy_beyond_half_the_rest() -> None:
    (warning,) = told("subspace", [70_000, 10_000, 10_000, 10_000, *[25_000] * 28], touched=1.0)
    assert "`airlsh train docs --source ... --model subspace --clusters 8`" in warning.remedy
    assert told("subspace", [60_000, 14_000, 13_000, 13_000, *[25_000] * 28], touched=1.0) == []


def test_a_bucket_that_holds_too_much() -> None:
    (warning,) = told("hyperplane", [60_000, *[2_677] * 127], touched=0.5)
    assert "`airlsh train docs --source ... --model hyperplane --bits 7`" in warning.remedy


def test_empty_lists() -> None:
    (warning,) = told("ivf", [5_000] * 40)
    assert warning.what == "60 of 100 lists hold no row."
    assert "`airlsh train docs --source ... --model ivf --lists 50`" in warning.remedy
    assert "`--sample`" in warning.remedy
    assert told("ivf", [4_000] * 50) == []
    (warning,) = told("subspace", [50_000] * 15, touched=1.0)
    assert "--clusters 2`" in warning.remedy


def test_searches_that_go_through_too_much() -> None:
    even = [2_000] * 100
    (warning,) = told("ivf", even, touched=0.31)
    assert warning.what.startswith("A search goes through 31% of the rows")
    assert "--lists 200`, or another model." in warning.remedy
    assert told("ivf", even, touched=0.25) == []
    assert told("ivf", [400] * 100, rows=20_000, touched=0.31) == []  # As many rows as are scanned at once.
    assert told("ivf", even, touched=1.0, scans_all=True) == []  # Not for what the lists are.
    (warning,) = told("hyperplane", [3_125] * 128, touched=0.61)
    assert "--bits 7`" in warning.remedy


def test_buckets_of_one_row() -> None:
    alone = [*[1] * 30, *[2] * 35]
    (warning,) = told("hyperplane", alone, rows=1_000)
    assert warning.what == "30% of the rows' buckets hold no other row: they lead to nothing."
    assert warning.remedy == "Train with fewer bits: `airlsh train docs --source ... --model hyperplane --bits 3`."
    assert told("hyperplane", [*[1] * 20, *[2] * 30], rows=1_000) == []


def test_rows_that_are_spread_unevenly() -> None:
    # Twelve lists of 15,000 rows are not heavy one by one.
    (warning,) = told("ivf", [*[15_000] * 12, *[227] * 88])
    assert told("ivf", [*[13_000] * 11, *[640] * 89]) == []
    assert warning.what == "The rows are spread as unevenly as if there were 20 lists, not 100 (entropy 0.65)."
    assert warning.remedy == "Train on a larger `--sample` of the rows that are indexed."
    (warning,) = told("hyperplane", [*[20_000] * 19, *[183] * 109])
    assert warning.remedy.endswith("or with `--model ivf`, whose lists follow the rows.")


def test_the_most_important_comes_first() -> None:
    found = told("ivf", [90_000, *[3_000] * 36], touched=0.9)
    assert [warning.what.split()[0] for warning in found] == ["Token", "A", "63", "The"]


def test_small_indices_are_not_warned_of() -> None:
    assert told("ivf", [999], rows=999) == []
    assert len(told("ivf", [1_000], rows=1_000)) == 3
    words = ("w0",)
    small, large = (TokenCounts(n, 2, 100, words, np.array([n]), np.ones(1)) for n in (999, 1_000))
    assert not is_heavy(small)
    assert is_heavy(large)


@pytest.mark.parametrize("kind", MODELS)
def test_remedies_name_options_that_there_are(kind: str) -> None:
    sizes = {"ivf": [90_000, *[3] * 36], "hyperplane": [90_000, *[1] * 60], "subspace": [90_000, 3, 3]}[kind]
    found = told(kind, sizes, touched=0.9)
    assert len(found) >= 2
    options = {
        name for option in command_of(verb("train")).params if isinstance(option, click.Option) for name in option.opts
    }
    named = {name for warning in found for name in re.findall(r"--[a-z-]+", warning.remedy)}
    assert named
    assert named <= options
    assert all(getattr(warning, field.name).endswith(".") for warning in found for field in fields(warning))
