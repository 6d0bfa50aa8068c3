"""A real red index: it is named with its reason and the command that removes it, and nothing waits for it."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lsh_core.builds.records import BuildRecords, BuildState
from lsh_core.cli.main import main
from lsh_core.elastic.connection import Connection
from lsh_core.elastic.red_indices import red_indices
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.local.readiness import Readiness
from lsh_core.settings import IndexSettings, TrainSettings
from tests.fakes.parquet_sources import clustered, write_source

NOWHERE = {"index.routing.allocation.require.foo": "bar"}
BUILD = "old-build"
OWN = f"airlsh-forgotten-{BUILD}"


@pytest.fixture
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture
def red(services: Services) -> Iterator[tuple[str, ...]]:
    """A foreign index, and a build of airlsh, that no node takes."""
    client = services.connection.client()
    meta = {"airlsh": {"name": "forgotten", "build": BUILD}}
    aliases = {f"airlsh-c-{BUILD}-0": {"is_hidden": True}}
    client.indices.create(index="foreign", settings=NOWHERE, timeout="1s")
    client.indices.create(index=OWN, settings=NOWHERE, mappings={"_meta": meta}, aliases=aliases, timeout="1s")
    try:
        yield ("foreign", OWN)
    finally:
        client.indices.delete(index=["foreign", OWN], ignore_unavailable=True)


def test_a_red_index_stops_neither_a_run_nor_a_start_nor_the_doctor(
    services: Services, red: tuple[str, ...], tmp_path: Path
) -> None:
    (url,) = services.connection.urls
    source = write_source(tmp_path / "rows.parquet", [f"r{row}" for row in range(60)], clustered(60, 4))
    train(TrainSettings(name="beside-red", source=source, metric="l2", lists=4), services)
    assert run_index(IndexSettings(name="beside-red", source=source, recall_queries=33), services).promoted

    readiness, deadline = Readiness(), time.monotonic() + 30
    while (missing := readiness.waiting_for(url, 1)) is not None:
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)

    told = CliRunner().invoke(main, ["doctor", "--es", url])
    for index in red:
        assert f"index {index} is red: no node takes shard 0: node does not match index setting" in told.output
    assert "FAIL  red index" not in told.output

    BuildRecords(services.cluster).start(
        "forgotten", BUILD, index=OWN, state=BuildState.FAILED, model_id="m", settings={}
    )
    commands = {each.index: each.command for each in red_indices(services.cluster, url)}
    assert commands["foreign"] == f"curl -X DELETE {url}/foreign"
    subprocess.run(shlex.split(commands["foreign"]), check=True, capture_output=True)
    ended = CliRunner().invoke(main, shlex.split(commands[OWN])[1:])
    assert ended.exit_code == 0, ended.output
    assert red_indices(services.cluster, url) == ()
