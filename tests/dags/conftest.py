"""Airflow for tests: its own home, its own database, this checkout's DAGs and plugins.

Airflow reads its settings when it is first imported, so they are set here, before any test module.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]

_home = tempfile.TemporaryDirectory(prefix="airlsh-airflow-")
os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(PROJECT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """The database that ``dag.test()`` writes its runs to."""
    from airflow.utils import db

    db.initdb()


@pytest.fixture
def dags(airflow_database: None) -> dict[str, Any]:
    """Freshly parsed DAGs, for one run: ``dag.test()`` leaves the params of a run behind for the next."""
    return parsed_dags()


def parsed_dags() -> dict[str, Any]:
    """Parse the DAG files anew."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=PROJECT / "dags")
    assert bag.import_errors == {}
    found: dict[str, Any] = bag.dags
    return found


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses where nothing listens, for tests in which no job gets as far as a server."""
    set_connections(monkeypatch, elasticsearch="http://127.0.0.1:9", dask="tcp://127.0.0.1:9")


def set_connections(monkeypatch: pytest.MonkeyPatch, *, elasticsearch: str, dask: str) -> None:
    """Give Airflow the two connections that every task uses."""
    host, port = dask.removeprefix("tcp://").rsplit(":", 1)
    stored = {
        "AIRLSH_ELASTICSEARCH_DEFAULT": {"conn_type": "airlsh_elasticsearch", "host": elasticsearch},
        "DASK_DEFAULT": {"conn_type": "dask", "host": host, "port": int(port)},
    }
    for identifier, connection in stored.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{identifier}", json.dumps(connection))


def write_to_database(made: Any, folder: Path) -> None:
    """Do what Airflow does with a DAG of a file in its folder."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    (folder / "empty").mkdir()
    bag = DagBag(dag_folder=folder / "empty")
    bag.dags[made.dag_id] = made
    sync_bag_to_db(bag, "dags-folder", None)
