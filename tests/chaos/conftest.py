"""Servers that are there to be killed, and how often.

``AIRLSH_CHAOS_ROUNDS`` sets the rounds of each scenario (1 in ``make test``, 10 in ``make chaos``);
``AIRLSH_CHAOS_SEED`` repeats the moments of an earlier run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from tests.chaos.arena import Arena

ROUNDS = int(os.environ.get("AIRLSH_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("AIRLSH_CHAOS_SEED") or random.SystemRandom().randrange(10**6))

# Run in the long form alone: a faster test of `make test` has a case of each.
collect_ignore = (
    [] if ROUNDS > 1 else ["test_airflow_kills.py", "test_kills.py", "test_nodes.py", "test_repeated_ids.py"]
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every scenario with a `seed` its rounds, each with a seed of its own that its name shows."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", [SEED + number for number in range(ROUNDS)])


@pytest.fixture(scope="session")
def chaos_nodes(servers_folder: Path) -> Iterator[ElasticsearchCluster]:
    """Nodes that may be killed, three in the long form; a test that kills one starts it again."""
    with ElasticsearchCluster(nodes=3 if ROUNDS > 1 else 1, folder=servers_folder / "chaos-nodes") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def chaos_dask(servers_folder: Path) -> Iterator[DaskCluster]:
    """A scheduler with two workers that may be killed; a test that kills the scheduler restarts it."""
    with DaskCluster(workers=2, folder=servers_folder / "chaos-dask") as cluster:
        yield cluster


@pytest.fixture
def arena(
    request: pytest.FixtureRequest,
    seed: int,
    tmp_path: Path,
    chaos_nodes: ElasticsearchCluster,
    chaos_dask: DaskCluster,
) -> Iterator[Arena]:
    """A new name for the test and its seed."""
    name = request.function.__name__.removeprefix("test_").replace("_", "-")[:40]
    made = Arena(f"{name}-{seed}", seed, tmp_path, chaos_nodes, chaos_dask)
    yield made
    made.close()
