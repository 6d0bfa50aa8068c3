"""The register of verbs."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import pytest

from lsh_core.cli.search_command import TARGETS
from lsh_core.cli.verb_command import command_of
from lsh_core.jobs.verbs import GROUPS, VERBS, Needs, Verb, load, verb, verb_of_dag
from lsh_core.json_form import plain
from lsh_core.settings import ListSettings, ShowBuildSettings

MADE_BY_ROW = [each for each in VERBS if each.command is None]


def test_each_name_is_there_once_and_each_group_has_verbs() -> None:
    names = [each.name for each in VERBS]
    assert len(set(names)) == len(names)
    assert {name.partition(" ")[0] for name in names if " " in name} == set(GROUPS)
    dags = [each.dag.dag_id for each in VERBS if each.dag is not None]
    assert len(set(dags)) == len(dags)


@pytest.mark.parametrize("row", MADE_BY_ROW, ids=lambda row: row.name)
def test_a_job_takes_the_settings_and_the_services_of_its_row(row: Verb) -> None:
    taken = [*row.settings.model_fields] if row.takes_fields else ["settings"]
    last = "dask" if row.needs is Needs.DASK else "services"
    for job in (row.job(), row.job(of_dag=True)):
        signature = inspect.signature(job)
        assert list(signature.parameters)[: len(taken) + 1] == [*taken, last]
        assert set(row.command_arguments) <= set(signature.parameters)


@pytest.mark.parametrize("row", VERBS, ids=lambda row: row.name)
def test_a_row_names_what_is_there_and_says_it_in_one_line(row: Verb) -> None:
    for dotted in (row.function, row.lines, row.command):
        if dotted is not None:
            assert callable(load(dotted)), dotted
    assert row.summary.endswith(".")
    assert len(row.summary) <= 72
    assert row.help.startswith(row.summary)
    if row.dag is not None:
        assert set(row.dag.main) <= set(row.settings.model_fields)
        assert verb_of_dag(row.dag.dag_id) == (row, row.dag)


@pytest.mark.parametrize("row", VERBS, ids=lambda row: row.name)
def test_options_in_the_help_of_a_verb_are_its_options(row: Verb) -> None:
    known = {option for each in command_of(row).params for option in (*each.opts, *each.secondary_opts)}
    assert set(re.findall(r"--[a-z][a-z-]*", row.help)) <= known
    assert command_of(row).help == row.help


def test_the_help_of_search_names_each_target() -> None:
    assert all(f"--{target}" in verb("search").help for target in TARGETS)


@dataclass(frozen=True)
class Found:
    name: str | None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}


def found(settings: ListSettings, services: str) -> list[Found]:
    return [Found(settings.name), Found(services)]


def found_by_name(services: str, build: str | None, name: str) -> tuple[str, str | None, str]:
    return (name, build, services)


def test_a_verb_calls_its_job_with_the_settings_or_with_their_values() -> None:
    row = Verb(name="find", settings=ListSettings, function=f"{__name__}:found", summary="Find.")
    assert plain(row.call(ListSettings(name="a"), "services")) == [{"name": "a"}, {"name": "services"}]
    assert list(row.result_lines([])) == []
    by_name = Verb(
        name="find",
        settings=ShowBuildSettings,
        function=f"{__name__}:found_by_name",
        summary="Find.",
        takes_fields=True,
    )
    assert by_name.call(ShowBuildSettings(name="a", build="b"), "services") == ("a", "b", "services")


def test_a_verb_is_found_by_its_name() -> None:
    assert verb("builds promote").function == "lsh_core.jobs.builds:promote"
    with pytest.raises(KeyError, match="nothing"):
        verb("nothing")
    with pytest.raises(KeyError, match="nothing"):
        verb_of_dag("nothing")


def test_a_verb_with_a_command_alone_has_no_job() -> None:
    with pytest.raises(TypeError, match="the verb search has no function, only a command"):
        verb("search").job()
