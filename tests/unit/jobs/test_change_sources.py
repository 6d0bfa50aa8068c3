"""Which columns and which version of a source live changes read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lsh_core.errors import SettingsError
from lsh_core.jobs import changes
from lsh_core.settings import DeleteSettings, UpsertSettings
from tests.fakes.vector_fields import list_field

SERVICES: Any = SimpleNamespace(cluster=None)


class Writer:
    """Takes all changes and keeps them."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.deleted: list[str] = []

    def live_build(self) -> Any:
        meta = SimpleNamespace(id_column="id", build="b")
        fields = {"__index_level_0__": {"type": "long"}}
        return SimpleNamespace(index="i", meta=meta, field=list_field(dims=2), fields=fields)

    def upsert(self, table: pa.Table, **_: Any) -> Any:
        self.columns = table.column_names
        return SimpleNamespace(changed=len(table), build="b", ignored=(), created=0)

    def delete(self, ids: list[str], **_: Any) -> Any:
        self.deleted += ids
        return SimpleNamespace(changed=len(ids), build="b", missing=0)


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    made = Writer()
    monkeypatch.setattr(changes, "LiveWriter", lambda *_: made)
    return made


def test_an_index_of_pandas_that_the_build_has_is_upserted(writer: Writer, tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0]], pa.list_(pa.float32()))
    columns = {"id": ["x"], "v": vectors, "__index_level_0__": [7], "__index_level_1__": [8]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    changes.upsert(UpsertSettings(name="n", source=str(tmp_path)), SERVICES)
    assert writer.columns == ["id", "v", "__index_level_0__"]


@pytest.mark.parametrize(("version", "expected"), [(None, ["a", "b"]), ("0", ["a"])])
def test_ids_are_those_of_the_named_version(
    writer: Writer, tmp_path: Path, version: str | None, expected: list[str]
) -> None:
    write_deltalake(tmp_path, pa.table({"id": ["a"]}))
    write_deltalake(tmp_path, pa.table({"id": ["b"]}), mode="append")
    changes.delete(DeleteSettings(name="n", ids_from=str(tmp_path), source_version=version), SERVICES)
    assert sorted(writer.deleted) == expected


def test_a_version_of_ids_that_are_given_one_by_one_is_refused(writer: Writer) -> None:
    with pytest.raises(SettingsError, match=r"source_version='1': is of --ids-from, which is not given"):
        changes.delete(DeleteSettings(name="n", ids=("a",), source_version="1"), SERVICES)
    assert writer.deleted == []
