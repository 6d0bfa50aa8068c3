"""``compute_features`` against a real Dask cluster: what a form may not ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import DagRunState

from lsh_core.local.dask_cluster import DaskCluster
from tests.dags.conftest import set_connections


@pytest.fixture
def folder(dask_cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    set_connections(monkeypatch, elasticsearch="http://127.0.0.1:9", dask=dask_cluster.address)
    monkeypatch.setenv("AIRLSH_SOURCE_ROOTS", str(tmp_path))
    monkeypatch.setenv("AIRLSH_OUTPUT_ROOTS", str(tmp_path))
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), tmp_path / "rows.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("conf", "sentence"),
    [
        (
            {"encoder": "tests.fakes.encoders:letters"},
            "module:factory is for `airlsh features` at the command line alone",
        ),
        ({"encoder": "nothing"}, "no encoder 'nothing': there are text, image, clip"),
        ({"text": "title"}, "column 'title' does not exist"),
        ({"output": "/srv/features"}, "output='/srv/features': is outside the allowed places"),
    ],
)
def test_bad_input_fails_with_one_sentence_and_writes_nothing(
    dags: dict[str, Any], folder: Path, caplog: pytest.LogCaptureFixture, conf: dict[str, Any], sentence: str
) -> None:
    given = {"source": f"{folder}/rows.parquet", "text": "text", "encoder": "text", "output": f"{folder}/out"}
    ended = dags["compute_features"].test(run_conf=given | conf)
    assert ended.state == DagRunState.FAILED
    assert any(sentence in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert not list(folder.glob("out/*"))
