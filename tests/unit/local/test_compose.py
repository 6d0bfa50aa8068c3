"""The compose file hangs together, as far as that can be seen without a Docker engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).resolve().parents[3] / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]


def test_what_a_service_waits_for_exists_and_tells_when_it_is_healthy() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in SERVICES
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", AIRFLOW)
def test_every_part_of_airflow_shares_database_secrets_and_connections(name: str) -> None:
    environment = SERVICES[name]["environment"]
    for secret in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert environment[secret].startswith("${"), "a secret in the repository"
    assert environment == SERVICES["airflow-scheduler"]["environment"]
    assert "airflow-logs:/opt/airflow/logs" in SERVICES[name]["volumes"]


def test_connections_are_json_and_lead_to_services() -> None:
    environment = SERVICES["airflow-scheduler"]["environment"]
    elasticsearch = json.loads(environment["AIRFLOW_CONN_AIRLSH_ELASTICSEARCH_DEFAULT"])
    hosts = re.findall(r"http://([\w-]+):9200", elasticsearch["host"])
    assert hosts == [name for name in SERVICES if name.startswith("elasticsearch-")]
    dask = json.loads(environment["AIRFLOW_CONN_DASK_DEFAULT"])
    assert dask["host"] in SERVICES
    assert f"tcp://{dask['host']}:{dask['port']}" in SERVICES["dask-worker"]["command"]


def test_tasks_and_workers_see_the_same_files() -> None:
    for name in ("airflow-scheduler", "dask-worker", "dask-scheduler"):
        assert any(volume.endswith(":/data:ro") for volume in SERVICES[name]["volumes"])


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_node_has_its_own_name_and_disk() -> None:
    nodes = {name: service for name, service in SERVICES.items() if name.startswith("elasticsearch-")}
    assert len(nodes) == 3
    for name, service in nodes.items():
        assert service["environment"]["node.name"] == name
        assert service["volumes"] == [f"{name}:/usr/share/elasticsearch/data"]
        assert name in COMPOSE["volumes"]


def test_every_variable_is_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    named = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert used == named


def test_what_the_image_copies_is_let_through() -> None:
    copied = {
        word
        for line in re.findall(r"^COPY (.*) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
        for word in line.split()
    }
    allowed = re.findall(r"^!(\S+)$", (DOCKER / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert copied == set(allowed)
    assert all((DOCKER.parent / path).exists() for path in copied)


def test_all_that_the_image_installs_of_python_is_locked() -> None:
    (command,) = re.findall(r"^RUN uv pip install (.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    wanted, _, constraint = command.rpartition(" -c ")
    assert constraint == "requirements.lock"
    # What the project does not ask for by itself is not in its lock file either.
    assert all(word.startswith(("-", '".[')) for word in wanted.split())
