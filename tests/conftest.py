"""What tests of every kind share: folders, and real servers, each started when a test first asks for it.

With ``AIRLSH_TEST_DOCKER=1``, and where Docker answers, the single node runs in a container.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.container import ElasticsearchContainer, docker_answers
from lsh_core.local.dask_cluster import DaskCluster
from tests.fakes.example_plugins import install


def pytest_sessionstart() -> None:
    """Let SIGTERM end the tests as Ctrl-C does: by itself it would leave every server running."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # A second one is not to cut off the stopping of the servers.
    raise KeyboardInterrupt("SIGTERM")


@pytest.fixture
def example_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of ``examples/plugins`` are installed: here, and in the processes that the test starts."""
    paths = [str(path) for path in install(tmp_path / "site-packages")]
    for path in paths:
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed to the one that runs Elasticsearch for root."""
    folder = Path(tempfile.mkdtemp(prefix="airlsh-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Where the servers keep logs and data; every account may enter it."""
    with tempfile.TemporaryDirectory(prefix="airlsh-servers-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def one_node(servers_folder: Path) -> Iterator[ElasticsearchCluster | ElasticsearchContainer]:
    """A running Elasticsearch of one node; `urls` has its address."""
    if os.environ.get("AIRLSH_TEST_DOCKER") == "1" and docker_answers():
        container = ElasticsearchContainer().start()
        try:
            yield container
        finally:
            container.stop()
        return
    with ElasticsearchCluster(folder=servers_folder / "one-node") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def three_nodes(servers_folder: Path) -> Iterator[ElasticsearchCluster]:
    """A running cluster of three nodes; a test that stops one starts it again."""
    with ElasticsearchCluster(nodes=3, folder=servers_folder / "three-nodes") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def dask_cluster(servers_folder: Path) -> Iterator[DaskCluster]:
    """A running Dask scheduler with two workers."""
    with DaskCluster(workers=2, folder=servers_folder / "dask") as cluster:
        yield cluster
