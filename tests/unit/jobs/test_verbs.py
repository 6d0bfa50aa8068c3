"""The register of verbs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest

from lsh_core.jobs.verbs import GROUPS, VERBS, Needs, Verb, load, verb, verb_of_dag
from lsh_core.json_form import plain
from lsh_core.settings import ListSettings

MADE_BY_ROW = [each for each in VERBS if each.command is None]


def test_each_name_is_there_once_and_each_group_has_verbs() -> None:
    names = [each.name for each in VERBS]
    assert len(set(names)) == len(names)
    assert {name.partition(" ")[0] for name in names if " " in name} == set(GROUPS)
    dags = [each.dag.dag_id for each in VERBS if each.dag is not None]
    assert len(set(dags)) == len(dags)


@pytest.mark.parametrize("row", MADE_BY_ROW, ids=lambda row: row.name)
def test_a_job_takes_the_settings_and_the_servers_of_its_row(row: Verb) -> None:
    taken = [*row.settings.model_fields] if row.takes_fields else ["settings"]
    last = "dask" if row.needs is Needs.DASK else "services"
    jobs = [row.function] + ([row.dag.function] if row.dag is not None and row.dag.function else [])
    for job in jobs:
        signature = inspect.signature(load(job))
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


@dataclass(frozen=True)
class Found:
    name: str | None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}


def found(settings: ListSettings, services: str) -> list[Found]:
    return [Found(settings.name), Found(services)]


def found_by_name(name: str | None, services: str) -> tuple[str | None, str]:
    return (name, services)


def test_a_verb_calls_its_job_with_the_settings_or_with_their_values() -> None:
    row = Verb(name="find", settings=ListSettings, function=f"{__name__}:found", summary="Find.")
    assert plain(row.call(ListSettings(name="a"), "servers")) == [{"name": "a"}, {"name": "servers"}]
    assert list(row.result_lines([])) == []
    by_name = Verb(
        name="find", settings=ListSettings, function=f"{__name__}:found_by_name", summary="Find.", takes_fields=True
    )
    assert by_name.call(ListSettings(name="a"), "servers") == ("a", "servers")


def test_a_verb_is_found_by_its_name() -> None:
    assert verb("builds promote").function == "lsh_core.jobs.builds:promote_build"
    with pytest.raises(StopIteration):
        verb("nothing")
