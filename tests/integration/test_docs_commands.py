"""The commands and the Python of the documentation run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lsh_core import VectorIndex
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster

PROJECT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/getting-started.md",
    "docs/guides/search.md",
    "docs/guides/operations.md",
    "docs/guides/live-changes.md",
)
"""In an order in which what a page needs was made by the pages before it."""


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (PROJECT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "examples").symlink_to(PROJECT / "examples")
    table = pq.read_table(PROJECT / "examples" / "debian_packages.parquet")
    pq.write_table(table.slice(0, 3), folder / "corrected.parquet")
    web = table.filter(pc.equal(table.column("section"), "web"))
    (folder / "partitions" / "section=web").mkdir(parents=True)
    pq.write_table(web.drop_columns(["section"]), folder / "partitions" / "section=web" / "rows.parquet")
    return folder


@pytest.fixture(scope="module")
def environment(one_node: ElasticsearchCluster, dask_cluster: DaskCluster) -> dict[str, str]:
    """The variables that a reader would have set."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "AIRLSH_ES_URL": one_node.urls[0], "AIRLSH_DASK": dask_cluster.address}


@pytest.fixture(scope="module")
def ran(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, list[subprocess.CompletedProcess[str]]]]:
    """Every shell block of every page, run in order."""
    done: dict[str, list[subprocess.CompletedProcess[str]]] = {}
    for page in PAGES:
        done[page] = [
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            for block in blocks(page, "bash")
        ]
    return done


@pytest.mark.parametrize("page", PAGES)
def test_shell_blocks_succeed(page: str, ran: dict[str, list[subprocess.CompletedProcess[str]]]) -> None:
    assert ran[page], f"{page} has no shell block"
    for block, each in zip(blocks(page, "bash"), ran[page], strict=True):
        assert each.returncode == 0, f"{block}\n{each.stdout}\n{each.stderr}"


def test_python_blocks_run(folder: Path, ran: dict[str, Any], one_node: ElasticsearchCluster) -> None:
    table = pq.read_table(folder / "examples" / "debian_packages.parquet", columns=["embedding"]).slice(0, 2)
    column: pa.ChunkedArray = table.column("embedding")
    vectors = np.array(column.to_pylist(), np.float32)
    run = [(page, block) for page in PAGES for block in blocks(page, "python")]
    assert len(run) >= 4
    for page, block in run:
        with VectorIndex("packages", one_node.urls[0]) as index:
            code = block.replace("http://127.0.0.1:9200", one_node.urls[0])
            exec(compile(code, page, "exec"), {"index": index, "vector": vectors[0], "vectors": vectors})
