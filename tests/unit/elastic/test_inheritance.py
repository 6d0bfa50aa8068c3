"""Bodies of indices against the index templates of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.index_templates import read_inherited
from lsh_core.elastic.inheritance import Inherited, additions, conflicts, shielded
from tests.fakes.one_client import cluster_of

BODY: dict[str, Any] = {
    "settings": {"index.number_of_replicas": 1, "priority": 5},
    "mappings": {
        "dynamic": "strict",
        "properties": {"price": {"type": "double"}, "seen.at": {"type": "date"}, "airlsh": {"properties": {}}},
    },
}


def test_a_policy_that_would_delete_the_index_is_taken_away() -> None:
    """The distribution of the tests knows no ILM, so this is held here."""
    found = shielded(
        BODY, Inherited(settings={"index.lifecycle.name": "90-days", "index.lifecycle.prefer_ilm": "true"})
    )
    assert found["settings"]["index.lifecycle.name"] is None
    assert found["settings"]["index.lifecycle.prefer_ilm"] is None


def test_a_setting_that_no_template_has_is_not_sent() -> None:
    """A distribution without a module refuses its settings, even as null."""
    assert not [key for key in shielded(BODY, Inherited())["settings"] if "lifecycle" in key]


def test_pipelines_and_the_wait_for_copies_are_always_overridden() -> None:
    settings = shielded(BODY, Inherited())["settings"]
    assert settings["index.default_pipeline"] == settings["index.final_pipeline"] == "_none"
    assert settings["index.write.wait_for_active_shards"] == "1"


def test_settings_of_the_body_win_in_either_notation() -> None:
    inherited = Inherited(settings={"index.number_of_replicas": "5", "index.priority": "1"})
    settings = shielded(BODY, inherited)["settings"]
    assert settings["index.number_of_replicas"] == 1
    assert settings["index.priority"] == 5


def test_default_analyzers_are_reset_and_named_ones_are_left() -> None:
    inherited = Inherited(
        settings={
            "index.analysis.analyzer.default.type": "whitespace",
            "index.analysis.analyzer.mine.type": "whitespace",
            "index.similarity.default.type": "boolean",
        }
    )
    settings = shielded(BODY, inherited)["settings"]
    assert settings["index.analysis.analyzer.default.type"] == "standard"
    assert settings["index.similarity.default.type"] == "BM25"
    assert "index.analysis.analyzer.mine.type" not in settings


@pytest.mark.parametrize(
    ("inherited", "named"),
    [
        (Inherited(data_stream=True), "data_stream"),
        (Inherited(aliases={"all": {"is_write_index": True}}), "alias 'all'"),
        (Inherited(mappings={"_routing": {"required": True}}), "_routing.required"),
        (Inherited(mappings={"_source": {"includes": ["a"]}}), "_source.includes"),
        (Inherited(mappings={"_source": {"mode": "synthetic"}}), "_source.mode"),
        (Inherited(mappings={"runtime": {"seen.at": {"type": "date"}}}), "runtime field 'seen.at'"),
        (Inherited(mappings={"properties": {"seen": {"type": "keyword"}}}), "'seen' as keyword"),
        (Inherited(mappings={"properties": {"seen": {"enabled": False, "properties": {}}}}), "'seen' with enabled"),
        (Inherited(legacy=True, mappings={"properties": {"price": {"type": "long"}}}), "'price' as long"),
        (Inherited(legacy=True, mappings={"properties": {"airlsh": {"dynamic": True}}}), "'airlsh' with dynamic"),
    ],
)
def test_what_no_body_can_override_is_a_conflict(inherited: Inherited, named: str) -> None:
    (found,) = conflicts(BODY, inherited)
    assert named in found


@pytest.mark.parametrize(
    "inherited",
    [
        Inherited(mappings={"_source": {"enabled": False}, "dynamic": True, "dynamic_templates": [{}]}),
        Inherited(mappings={"properties": {"price": {"type": "keyword", "null_value": "x"}}}),
        Inherited(mappings={"properties": {"seen": {"properties": {"at": {"type": "long"}}}}}),
        Inherited(mappings={"properties": {"airlsh": {"type": "keyword"}}}),
        Inherited(legacy=True, mappings={"_routing": {"required": True}}),
        Inherited(legacy=True, mappings={"properties": {"price": {"type": "double"}}}),
    ],
)
def test_what_the_body_overrides_is_none(inherited: Inherited) -> None:
    assert conflicts(BODY, inherited) == ()


def test_fields_that_a_template_adds_are_told() -> None:
    inherited = Inherited(mappings={"properties": {"@timestamp": {"type": "date"}, "seen": {"properties": {}}}})
    assert additions(BODY, inherited) == ("@timestamp",)


class Templates:
    """The part of a client that reads index templates."""

    def __init__(self, composable: Any = (), legacy: Any = None, components: Any = ()) -> None:
        self.indices = self.cluster = self
        self._composable, self._legacy, self._components = composable, legacy or {}, components

    def get_index_template(self, **_: Any) -> dict[str, Any]:
        return {"index_templates": list(self._composable)}

    def get_component_template(self, **_: Any) -> dict[str, Any]:
        return {"component_templates": list(self._components)}

    def get_template(self, **_: Any) -> Any:
        class Answer:
            body = self._legacy

        return Answer()


def composable(name: str, pattern: str, priority: int, **rest: Any) -> dict[str, Any]:
    return {"name": name, "index_template": {"index_patterns": [pattern], "priority": priority, **rest}}


def test_the_template_of_the_highest_priority_wins_alone() -> None:
    client: Any = Templates(
        [
            composable("low", "*", 1, data_stream={}),
            composable("high", "airlsh-*", 9),
            composable("other", "logs-*", 99),
        ],
        legacy={"old": {"index_patterns": ["*"], "settings": {"index.priority": 1}}},
    )
    found = read_inherited(cluster_of(client), "airlsh-runs")
    assert (found.templates, found.data_stream, found.settings) == (("high",), False, {})
    assert found.shield_priority == 10


def test_parts_of_a_template_are_merged_in_their_order() -> None:
    client: Any = Templates(
        [
            composable(
                "whole", "air*runs", 0, composed_of=["a", "b", "gone"], template={"settings": {"index.priority": "3"}}
            )
        ],
        components=[
            {"name": "b", "component_template": {"template": {"settings": {"index.codec": "best_compression"}}}},
            {
                "name": "a",
                "component_template": {"template": {"settings": {"index.priority": "1", "index.codec": "default"}}},
            },
        ],
    )
    assert read_inherited(cluster_of(client), "airlsh-runs").settings == {
        "index.priority": "3",
        "index.codec": "best_compression",
    }


def test_legacy_templates_are_merged_by_their_order_where_no_composable_one_matches() -> None:
    legacy = {
        "second": {"order": 2, "index_patterns": ["air*"], "settings": {"index.priority": "2"}},
        "first": {"order": 1, "index_patterns": ["*"], "settings": {"index.priority": "1"}, "aliases": {"all": {}}},
        "no": {"order": 3, "index_patterns": ["logs?"], "settings": {"index.priority": "9"}},
    }
    client: Any = Templates(legacy=legacy)
    found = read_inherited(cluster_of(client), "airlsh-runs")
    assert (found.templates, found.legacy) == (("first", "second"), True)
    assert (found.settings, found.aliases) == ({"index.priority": "2"}, {"all": {}})
