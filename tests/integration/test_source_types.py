"""Files as today's tools write them, indexed on a real node: each value is the value that was written."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.errors import SchemaError
from lsh_core.jobs.dead_letters import build_dead_letters
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.settings import IndexSettings, TrainSettings

ROWS, DIMS = 100, 8
NAME = "source-types"
VECTORS = np.random.default_rng(0).normal(size=(2 * ROWS, DIMS))

Documents = dict[str, dict[str, Any]]
Indexed = Callable[..., tuple[IndexReport, Documents]]


def lists(first: int = 0, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(VECTORS[first : first + ROWS].astype("f4").tolist(), kind or pa.list_(pa.float32()))


def table(first: int = 0, **columns: pa.Array) -> pa.Table:
    ids = pa.array([f"r{row}" for row in range(first, first + ROWS)])
    return pa.table({"id": ids, "embedding": lists(first), **columns})


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Services:
    made = Services(Connection(tuple(one_node.urls)), dask_cluster.address)
    source = tmp_path_factory.mktemp("train") / "a.parquet"
    pq.write_table(table(), source)
    train(TrainSettings(name=NAME, source=str(source), metric="l2", model="hnsw"), made)
    return made


@pytest.fixture
def indexed(services: Services, tmp_path: Path) -> Indexed:
    """Index tables, one file each, as one source; return the run's report and the documents by their ids."""

    def run(*tables: pa.Table, written: dict[str, Any] | None = None, **settings: Any) -> tuple[IndexReport, Documents]:
        for number, each in enumerate(tables):
            pq.write_table(each, tmp_path / f"{number}.parquet", **(written or {}))
        report = run_index(IndexSettings(name=NAME, source=str(tmp_path), promote=False, **settings), services)
        answer = services.cluster.search(report.index, size=1_000, source_exclude_vectors=False)
        return report, {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}

    return run


def vector(documents: Documents, id: str) -> np.ndarray:
    return np.array(documents[id]["embedding"], np.float32)


def test_int96_dates_are_the_dates_that_were_written(indexed: Indexed, services: Services) -> None:
    dates = [dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), None]
    at = pa.array(dates * (ROWS // 4), pa.timestamp("us"))
    nested = pa.array([[each] for each in dates] * (ROWS // 4), pa.list_(pa.timestamp("us")))
    report, documents = indexed(table(at=at, nested=nested), written={"use_deprecated_int96_timestamps": True})
    assert [documents[f"r{row}"].get("at") for row in range(4)] == [
        "9999-12-31T00:00:00.000000Z",
        "0001-01-01T00:00:00.000000Z",
        "1969-12-31T23:59:59.999999Z",
        None,
    ]
    assert documents["r1"]["nested"] == ["0001-01-01T00:00:00.000000Z"]
    for limits in ({"lt": "0001-01-02"}, {"gt": "9999-12-30"}, {"gte": "1969-12-31", "lt": "1970-01-01"}):
        assert services.cluster.count(report.index, {"range": {"at": limits}}) == ROWS // 4


def test_dates_that_no_document_holds_are_dead_letters_in_plain_words(indexed: Indexed, services: Services) -> None:
    far = {0: 253402300800, 1: -62135596801, 2: 2**45}
    at = pa.array([far.get(row, -62135596800) * 1000 for row in range(ROWS)], pa.timestamp("ms", "Asia/Kolkata"))
    days = pa.array([2932897 if row == 3 else 2932896 for row in range(ROWS)], pa.date32())
    report, documents = indexed(table(at=at, day=days), max_dead_letters=10)
    letters = {each.id: each for each in build_dead_letters(NAME, report.build, services)}
    assert sorted(letters) == ["r0", "r1", "r2", "r3"]
    assert {each.error for each in letters.values()} == {"date_out_of_range"}
    assert (
        letters["r0"].reason == "column 'at' holds a date of the year 10,000; dates of the years 1 to 9999 are indexed"
    )
    assert letters["r3"].reason.startswith("column 'day' holds a date of the year 10,000")
    assert len(documents) == ROWS - 4
    assert documents["r4"]["at"] == "0001-01-01T00:00:00.000Z"
    assert documents["r4"]["day"] == "9999-12-31"


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"id": pa.large_string(), "t": pa.large_string()}, "y"),
        ({"id": pa.string_view(), "t": pa.string_view()}, "y"),
        ({"t": pa.dictionary(pa.int32(), pa.string())}, "y"),
        ({"embedding": pa.large_list(pa.float32())}, "y"),
        ({"embedding": pa.list_(pa.float32(), DIMS)}, "y"),
        ({"embedding": pa.list_(pa.float64())}, "y"),
        ({"embedding": pa.list_view(pa.float32())}, "y"),
        ({"t": pa.null()}, None),
    ],
    ids=lambda each: ",".join(map(str, each.values())) if isinstance(each, dict) else "",
)
def test_a_column_that_two_tools_wrote_is_one_column(
    indexed: Indexed, changes: dict[str, pa.DataType], value: str | None
) -> None:
    first, second = table(t=pa.array(["x"] * ROWS)), table(ROWS, t=pa.array(["y"] * ROWS))
    for name, type_ in changes.items():
        given = second.column(name).combine_chunks()
        if pa.types.is_null(type_):
            changed = pa.nulls(ROWS)
        elif pa.types.is_dictionary(type_):
            changed = given.dictionary_encode()
        else:
            changed = pa.array(given.to_pylist(), type_)
        second = second.set_column(second.schema.get_field_index(name), name, changed)
    report, documents = indexed(first, second)
    assert report.accepted == len(documents) == 2 * ROWS
    assert documents["r0"]["t"] == "x"
    assert documents[f"r{ROWS}"].get("t") == value
    np.testing.assert_array_equal(vector(documents, f"r{ROWS}"), VECTORS[ROWS].astype("f4"))


def test_numbers_decimals_times_and_structs_of_two_files_lose_nothing(indexed: Indexed, services: Services) -> None:
    structs = pa.array([{"a": 1}] * ROWS, pa.struct([("a", pa.int32())]))
    wider = pa.array([{"a": 2**40, "b": "new"}] * ROWS, pa.struct([("a", pa.int64()), ("b", pa.string())]))
    first = table(
        n=pa.array([2**31 - 1] * ROWS, pa.int32()),
        f=pa.array([2**53 + (row == 0) for row in range(ROWS)], pa.int64()),
        price=pa.array([Decimal("1.50")] * ROWS, pa.decimal128(5, 2)),
        at=pa.array([253402214400] * ROWS, pa.timestamp("s")),
        took=pa.array([1] * ROWS, pa.duration("s")),
        s=structs,
    )
    second = table(
        ROWS,
        n=pa.array([-(2**63)] * ROWS, pa.int64()),
        f=pa.array([0.5] * ROWS, pa.float64()),
        price=pa.array([7] * ROWS, pa.int8()),
        at=pa.array([1] * ROWS, pa.timestamp("ns", "Europe/Paris")),
        took=pa.array([1] * ROWS, pa.duration("ms")),
        s=wider,
        late=pa.array(["only here"] * ROWS),
    )
    report, documents = indexed(first, second, max_dead_letters=1)
    (letter,) = build_dead_letters(NAME, report.build, services)
    assert (letter.id, letter.error) == ("r0", "value_not_exact")
    assert "column 'f' holds 9007199254740993, which double does not hold exactly" in letter.reason
    own = {"airlsh", "embedding"}
    shown = [{key: value for key, value in documents[id].items() if key not in own} for id in ("r1", f"r{ROWS}")]
    assert shown == [
        {
            "n": 2**31 - 1,
            "f": 2**53,
            "price": "1.50",
            "at": "9999-12-31T00:00:00.000Z",
            "took": 1000,
            "s": {"a": 1, "b": None},
        },
        {
            "n": -(2**63),
            "f": 0.5,
            "price": "7.00",
            "at": "1970-01-01T00:00:00.000000001Z",
            "took": 1,
            "s": {"a": 2**40, "b": "new"},
            "late": "only here",
        },
    ]


def test_the_unnamed_index_of_pandas_is_left_out_and_said(indexed: Indexed) -> None:
    report, documents = indexed(table(), table(ROWS, __index_level_0__=pa.array(range(ROWS))))
    assert report.columns_left_out == ["__index_level_0__"]
    assert len(documents) == 2 * ROWS
    assert set(documents[f"r{ROWS}"]) == {"airlsh", "embedding"}


def test_types_of_todays_tools(indexed: Indexed) -> None:
    uuids = [uuid.UUID(int=row + 1) for row in range(ROWS)]
    json = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'] * ROWS))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(VECTORS[:ROWS].astype("f4")))
    given = table(
        u=pa.array([each.bytes for each in uuids], pa.uuid()),
        meta=json,
        hash=pa.array([2**64 - 1 - row for row in range(ROWS)], pa.uint64()),
        small=pa.array([Decimal("0.00000001")] * ROWS, pa.decimal128(20, 8)),
        half=pa.array([0.1] * ROWS, pa.float16()),
        pairs=pa.array([[("a", 1), ("a", 2)]] * ROWS, pa.map_(pa.string(), pa.int64())),
        views=pa.array([[1, 2] if row else None for row in range(ROWS)], pa.list_view(pa.int8())),
    )
    _, documents = indexed(given.set_column(1, "embedding", tensor).set_column(0, "id", given.column("u")))
    assert sorted(documents) == sorted(map(str, uuids))
    document = documents[str(uuids[5])]
    assert {key: value for key, value in document.items() if key not in {"airlsh", "embedding"}} == {
        "u": str(uuids[5]),
        "meta": '{"a":1}',
        "hash": str(2**64 - 6),
        "small": "0.00000001",
        "half": 0.0999755859375,
        "pairs": [{"key": "a", "value": 1}, {"key": "a", "value": 2}],
        "views": [1, 2],
    }
    assert "views" not in documents[str(uuids[0])]
    np.testing.assert_array_equal(vector(documents, str(uuids[5])), VECTORS[5].astype("f4"))


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.float16(), pa.decimal128(9, 1)], ids=str
)
def test_vectors_of_numbers_of_every_kind(indexed: Indexed, kind: pa.DataType) -> None:
    values = np.random.default_rng(1).integers(0, 100, (ROWS, DIMS))
    items = (
        [[Decimal(each) for each in row] for row in values.tolist()] if pa.types.is_decimal(kind) else values.tolist()
    )
    _, documents = indexed(table().set_column(1, "embedding", pa.array(items, pa.list_(kind))))
    np.testing.assert_array_equal(vector(documents, "r7"), values[7])


def test_ids_may_be_whole_decimals_and_differ_in_type(indexed: Indexed, services: Services) -> None:
    ids = [Decimal(row) if row else Decimal("0.5") for row in range(ROWS)]
    first = table().set_column(0, "id", pa.array(ids, pa.decimal128(38, 1)))
    second = table(ROWS).set_column(0, "id", pa.array(range(ROWS, 2 * ROWS)))
    report, documents = indexed(first, second, max_dead_letters=1)
    assert set(documents) == set(map(str, range(1, 2 * ROWS)))
    (letter,) = build_dead_letters(NAME, report.build, services)
    assert letter.reason == "the id is 0.5; a number that is an id must be whole"


def test_columns_without_a_common_type_are_named_before_anything_is_written(indexed: Indexed) -> None:
    with pytest.raises(SchemaError, match=r"1\.parquet: column 't' is string, but in .*0\.parquet it is int64"):
        indexed(table(t=pa.array([1] * ROWS)), table(ROWS, t=pa.array(["1"] * ROWS)))
    report, _ = indexed(table(t=pa.array([1] * ROWS)), table(ROWS, t=pa.array(["1"] * ROWS)), columns=())
    assert report.accepted == 2 * ROWS
