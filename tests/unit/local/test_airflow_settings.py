"""What Airflow is told: its ports hang together, its connections carry what the hooks read, nobody else gets in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import StackError
from lsh_core.local.airflow_standalone import AirflowStandalone, unhealthy
from lsh_core.local.ports import PortReservation

CHECKOUT = Path(__file__).resolve().parents[3]


def prepared(folder: Path, **options: object) -> AirflowStandalone:
    with PortReservation() as reservation:
        airflow = AirflowStandalone(project=CHECKOUT, folder=folder, reservation=reservation, **options)  # type: ignore[arg-type]
        airflow.prepare()
    return airflow


def test_every_port_is_its_own_and_the_execution_address_follows(tmp_path: Path) -> None:
    airflow = prepared(tmp_path)
    settings = airflow.settings(tmp_path)
    ports = {settings[f"AIRFLOW__{name}"] for name in (
        "API__PORT", "LOGGING__WORKER_LOG_SERVER_PORT", "LOGGING__TRIGGER_LOG_SERVER_PORT",
    )}  # fmt: skip
    assert len(ports) == 3
    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert airflow.url == f"http://127.0.0.1:{settings['AIRFLOW__API__PORT']}"
    assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"{airflow.url}/execution/"


def test_two_that_start_at_once_share_no_port(tmp_path: Path) -> None:
    with PortReservation() as one, PortReservation() as two:
        first = AirflowStandalone(project=CHECKOUT, folder=tmp_path, reservation=one)
        second = AirflowStandalone(project=CHECKOUT, folder=tmp_path, reservation=two)
        first.prepare()
        second.prepare()
    ports = [
        {value for name, value in airflow.settings(tmp_path).items() if name.endswith("PORT")}
        for airflow in (first, second)
    ]
    assert len(ports[0] | ports[1]) == 6


def test_the_connections_carry_all_nodes_and_the_credentials(tmp_path: Path) -> None:
    connection = Connection(urls=("http://127.0.0.1:1", "http://127.0.0.1:2"), api_key="secret")
    settings = prepared(tmp_path, elasticsearch=connection, dask="tcp://127.0.0.1:8786").settings(tmp_path)
    elasticsearch = json.loads(settings["AIRFLOW_CONN_AIRLSH_ELASTICSEARCH_DEFAULT"])
    assert elasticsearch["conn_type"] == "airlsh_elasticsearch"
    assert elasticsearch["host"] == "http://127.0.0.1:1,http://127.0.0.1:2"
    assert elasticsearch["extra"]["api_key"] == "secret"
    assert json.loads(settings["AIRFLOW_CONN_DASK_DEFAULT"]) == {
        "conn_type": "dask",
        "host": "tcp://127.0.0.1:8786",
    }


def test_sources_are_open_to_the_one_user_unless_they_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRLSH_SOURCE_ROOTS", raising=False)
    assert prepared(tmp_path).settings(tmp_path)["AIRLSH_SOURCE_ROOTS"] == "/"
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", "/data")
    assert prepared(tmp_path).settings(tmp_path)["AIRLSH_SOURCE_ROOTS"] == "/data"


def test_forms_may_write_into_the_project_unless_somebody_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRLSH_OUTPUT_ROOTS", raising=False)
    assert Path(prepared(tmp_path).settings(tmp_path)["AIRLSH_OUTPUT_ROOTS"]).joinpath("dags").is_dir()
    monkeypatch.setenv("AIRLSH_OUTPUT_ROOTS", "/data/features")
    assert prepared(tmp_path).settings(tmp_path)["AIRLSH_OUTPUT_ROOTS"] == "/data/features"


def test_a_folder_without_dags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no folder dags"):
        AirflowStandalone(project=tmp_path, folder=tmp_path).start()


def test_every_component_must_be_healthy() -> None:
    healthy = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")}
    assert unhealthy(healthy) == []
    assert unhealthy({**healthy, "scheduler": {"status": "unhealthy"}}) == ["scheduler"]
    assert unhealthy({**healthy, "triggerer": {"status": None}, "dag_processor": None}) == [
        "triggerer",
        "dag_processor",
    ]
    assert len(unhealthy({})) == 4
