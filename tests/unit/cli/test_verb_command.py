"""Commands made from rows of the register."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from click.testing import CliRunner, Result
from pydantic import Field

from lsh_core.cli.verb_command import command_of
from lsh_core.errors import NotFoundError
from lsh_core.jobs.verbs import Needs, Verb
from lsh_core.settings import Labels, Positional, Settings, Verbatim


class CountSettings(Settings):
    name: Annotated[str, Positional] = Field(description="Name.")
    kind: Annotated[str, Labels({"a": "first", "b": "second"})] = Field(default="a", description="Kind.")
    words: tuple[str, ...] = Field(default=(), description="Words.")
    exact: Annotated[tuple[str, ...], Verbatim] = Field(default=(), description="Exact words.")


def count(settings: CountSettings, dask: str | None) -> dict[str, Any]:
    if settings.name == "gone":
        raise NotFoundError("thing", settings.name, "it is not there")
    return {"words": [*settings.words, *settings.exact], "dask": dask}


def lines(result: dict[str, Any]) -> Iterator[str]:
    yield from result["words"]


ROW = Verb(
    name="words count",
    settings=CountSettings,
    function=f"{__name__}:count",
    summary="Count words.",
    details="Slowly.",
    needs=Needs.DASK,
    lines=f"{__name__}:lines",
    if_empty="no words",
)


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_of(ROW), arguments)


def test_a_row_with_settings_and_a_function_is_a_whole_command() -> None:
    told = run("a", "--words", "x, y", "--exact", "x, y", "--dask", "tcp://a:1")
    assert (told.exit_code, told.stdout) == (0, "x\ny\nx, y\n")
    assert json.loads(run("a", "--json", "--dask", "tcp://a:1").stdout) == {"words": [], "dask": "tcp://a:1"}


def test_nothing_to_print_is_a_note_on_standard_error() -> None:
    told = run("a")
    assert (told.exit_code, told.stdout, told.stderr) == (0, "", "no words\n")


def test_an_error_is_a_sentence_and_an_exit_code() -> None:
    told = run("gone")
    assert told.exit_code == NotFoundError.exit_code
    assert told.stderr.startswith("airlsh: ")


def test_the_help_has_the_summary_the_details_and_the_choices() -> None:
    shown = run("--help").output
    assert "Usage: count [OPTIONS] NAME" in shown
    assert "Count words.\n\n  Slowly." in shown
    assert "Kind. a: first; b: second. [default: a]" in " ".join(shown.split())


def test_the_help_names_bounds_and_defaults() -> None:
    class Bounded(Settings):
        low: int = Field(default=1_000, ge=0, description="Low.")
        both: int | None = Field(default=None, ge=1, le=16, description="Both.")
        above: float = Field(default=0.5, gt=0, le=1, description="Above.")
        off: bool = Field(default=False, description="Off.")

    command = command_of(Verb(name="x", settings=Bounded, function=f"{__name__}:count", summary="X."))
    shown = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for line in (
        "Low. [default: 1,000; 0 or more]",
        "Both. [1 to 16]",
        "Above. [default: 0.5; above 0 to 1]",
        "Off. [default: no-off]",
    ):
        assert line in shown
