"""What a node is configured with."""

from __future__ import annotations

from pathlib import Path

import yaml

from lsh_core.local.node import NodeSettings, _yaml


def test_a_single_node_does_not_look_for_others() -> None:
    settings = NodeSettings(0, 1, "airlsh-test", 9200, (9300,), 2**30)
    configuration = settings.configuration(Path("/home"))
    assert configuration["discovery.type"] == "single-node"
    assert "discovery.seed_hosts" not in configuration


def test_each_of_three_nodes_knows_all_by_their_transport_ports() -> None:
    nodes = [NodeSettings(number, 3, "airlsh-test", 9200 + number, (1, 2, 3), 2**30) for number in range(3)]
    for number, node in enumerate(nodes):
        configuration = node.configuration(Path("/home"))
        assert configuration["transport.port"] == number + 1
        assert configuration["discovery.seed_hosts"] == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
        assert configuration["cluster.initial_master_nodes"] == [other.name for other in nodes]
        assert configuration["network.host"] == "127.0.0.1"


def test_what_is_written_is_yaml() -> None:
    for value in ("a: b #c", 'quo"te\\', True, False, 9200, ["127.0.0.1:1", "x"]):
        assert yaml.safe_load(f"key: {_yaml(value)}") == {"key": value}
