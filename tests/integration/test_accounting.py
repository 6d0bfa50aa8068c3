"""Every row is accounted for, on a real node: repeated ids, repeated loads, refused rows and their replay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lsh_core.builds.aliases import live_index
from lsh_core.elastic.connection import Connection
from lsh_core.errors import SourceChangedError, SourceError, StoppedEarlyError
from lsh_core.jobs import dead_letters as jobs_dead_letters
from lsh_core.jobs import index as stages
from lsh_core.jobs.dead_letters import build_dead_letters, replay_dead_letters
from lsh_core.jobs.index import run_index
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.live.change_writer import ID_COLUMN, VECTOR_COLUMN
from lsh_core.live.journal import Change, Journal
from lsh_core.loading.ledger import ledger_totals
from lsh_core.settings import IndexSettings, ReplaySettings, TrainSettings
from lsh_core.sources.row_ipc import pack_row
from tests.fakes.parquet_sources import clustered, write_source

ROWS, FILES, DIMS = 30_000, 3, 8


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


def held_rows(services: Services, index: str) -> dict[str, int]:
    """Return ``airlsh.row`` of every document, by id."""
    client = services.connection.client()
    client.indices.refresh(index=index)
    held: dict[str, int] = {}
    for hits in _pages(client, index):
        held.update({hit["_id"]: hit["_source"]["airlsh"]["row"] for hit in hits})
    return held


def _pages(client: Any, index: str) -> Iterator[list[dict[str, Any]]]:
    after: dict[str, Any] = {}
    while True:
        answer = client.search(index=index, size=10_000, sort=[{"airlsh.row": "asc"}], source=["airlsh.row"], **after)
        hits = answer["hits"]["hits"]
        if not hits:
            return
        yield hits
        after = {"search_after": hits[-1]["sort"]}


def test_repeated_ids_loaded_twice_and_resumed_once(services: Services, tmp_path: Path) -> None:
    generator = np.random.default_rng(11)
    numbers = np.concatenate([np.arange(ROWS * 4 // 5), generator.integers(ROWS * 4 // 5, size=ROWS // 5)])
    generator.shuffle(numbers)
    ids = [f"id-{number}" for number in numbers.tolist()]
    vectors = clustered(ROWS, DIMS)
    folder = tmp_path / "repeated"
    folder.mkdir()
    share = ROWS // FILES
    for part in range(FILES):
        rows = slice(part * share, (part + 1) * share)
        write_source(folder / f"{part}.parquet", ids[rows], vectors[rows], row_group=3_000)
    winners = {identity: place for place, identity in enumerate(ids)}  # The last one stays.
    assert len(winners) == ROWS * 4 // 5
    name, build = "counted", "counted-1"
    settings = IndexSettings(name=name, source=str(folder), chunk_rows=700, recall_queries=40)
    train(TrainSettings(name=name, source=str(folder), metric="l2", lists=32, sample=5_000), services)

    for stage in (stages.check, stages.plan, stages.create):
        stage(settings, build, services)
    away = tmp_path / "2.parquet"
    (folder / "2.parquet").rename(away)
    with pytest.raises(SourceChangedError, match=r"2\.parquet"):
        stages.load(settings, build, services)
    away.rename(folder / "2.parquet")
    client = services.connection.client()
    before, _ = ledger_totals(services.cluster, build)
    assert before < ROWS

    report = run_index(settings, services, build)

    def check_report(report: IndexReport) -> None:
        assert report.rows_read == ROWS
        assert report.accepted == report.documents == len(winners)
        assert report.repeated == ROWS - len(winners)
        assert report.dead_lettered == report.replaced == 0
        assert held_rows(services, report.index) == winners

    check_report(report)
    assert report.skipped >= before

    # Once more, as if no loader had lived to write its entries: every row is sent to where it is already.
    hits = client.search(index="airlsh-ledger", query={"term": {"build": build}}, source=False, size=1_000)
    entries = [hit["_id"] for hit in hits["hits"]["hits"]]
    client.bulk(index="airlsh-ledger", operations=[{"delete": {"_id": entry}} for entry in entries], refresh=True)
    again = run_index(settings, services, build)
    check_report(again)
    assert again.skipped == 0


def test_a_load_that_refuses_too_much_stops_early(services: Services, tmp_path: Path) -> None:
    rows = 12_000
    vectors = clustered(rows, DIMS)
    good = write_source(tmp_path / "good.parquet", list(range(500)), vectors[:500])
    vectors[::2] = 0
    source = write_source(tmp_path / "bad.parquet", list(range(rows)), vectors)
    train(TrainSettings(name="stopped", source=good, metric="cosine"), services)
    settings = IndexSettings(name="stopped", source=source, chunk_rows=100, stop_dead_letters=300)
    build = "stopped-1"
    with pytest.raises(StoppedEarlyError, match=r"of the first \d+ rows \d+ were refused") as stopped:
        run_index(settings, services, build)
    assert 300 < stopped.value.dead_lettered < rows // 2
    assert stopped.value.dead_lettered * 2 == stopped.value.loaded
    assert "zero_vector" in str(stopped.value)
    assert live_index(services.cluster, "stopped") is None
    letters = build_dead_letters("stopped", build, services)
    assert {letter.error for letter in letters} == {"zero_vector"}

    report = run_index(settings.model_copy(update={"max_dead_letters": rows}), services, build)
    assert (report.accepted, report.dead_lettered) == (rows // 2, rows // 2)
    assert 0 < report.skipped < rows


def test_corrected_rows_take_the_places_of_refused_ones(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 600
    vectors = clustered(rows, DIMS) + 10
    ids: list[str | None] = [f"id-{row}" for row in range(rows)]
    ids[10] = ids[400] = ids[450] = "often"  # Refused at 10 and 400, good at 450.
    ids[20] = ids[410] = "twice"  # Refused both times.
    ids[30] = ids[420] = "early"  # Good at 30, refused at 420.
    ids[40] = None
    bad = [10, 400, 20, 410, 420, 333, 334]
    spoiled = vectors.copy()
    spoiled[bad] = 0
    for day, (start, stop) in enumerate([(0, 300), (300, rows)]):
        (tmp_path / "source" / f"day={day}").mkdir(parents=True)
        place = tmp_path / "source" / f"day={day}" / "rows.parquet"
        write_source(place, ids[start:stop], spoiled[start:stop], price=list(range(start, stop)))
    source = str(tmp_path / "source")
    train(TrainSettings(name="mended", source=source, metric="cosine"), services)
    settings = IndexSettings(name="mended", source=source, chunk_rows=50, max_dead_letters=20)
    first = run_index(settings, services)
    assert (first.rows_read, first.accepted, first.repeated, first.dead_lettered) == (rows, 592, 0, 8)

    def corrected(mended: list[str], **zero: int) -> ReplaySettings:
        given = clustered(len(mended), DIMS, seed=9) + 10
        given[list(zero.values())] = 0
        path = write_source(tmp_path / "corrected.parquet", mended, given, price=[-1] * len(mended))
        return ReplaySettings(name="mended", source=path)

    with pytest.raises(SourceError, match=r"none of its 1 rows has the id of a dead letter .*: id-77; `airlsh upsert`"):
        replay_dead_letters(corrected(["id-77"]), services)

    once = corrected(["often", "twice", "twice", "early", "id-333"], zero=4)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(jobs_dead_letters, "write_dead_letters", killed)
        with pytest.raises(KeyboardInterrupt):
            replay_dead_letters(once, services)
    winners = {identity: row for row, identity in enumerate(ids) if identity and (row not in bad)}
    winners |= {"twice": 410, "early": 420}
    for _ in range(2):
        result = replay_dead_letters(once, services)
        report = result.report
        assert (result.replayed, result.still_refused, result.unmatched) == (5, 1, 2)
        assert (report.rows_read, report.dead_lettered, report.state) == (rows, 3, "verified")
        assert report.accepted == report.documents == len(winners) == 593
        assert report.repeated == rows - 3 - len(winners)
        assert held_rows(services, first.index) == winners
    left = build_dead_letters("mended", None, services)
    assert {letter.row + 300 * (letter.source.count("day=1")): letter.error for letter in left} == {
        40: "null_id",
        333: "zero_vector",
        334: "zero_vector",
    }
    found = services.connection.client().get(index="mended", id="early")["_source"]
    assert (found["day"], found["price"], found["airlsh"]["partition"]) == ("1", -1, "day=1")
    assert report.promoted

    last = replay_dead_letters(corrected(["id-333", "id-334"]), services)
    assert (last.replayed, last.still_refused, last.unmatched) == (2, 0, 1)
    assert held_rows(services, first.index) == winners | {"id-333": 333, "id-334": 334}
    assert last.report.dead_lettered == 1


def test_a_whole_source_that_was_corrected_changes_the_refused_rows_alone(services: Services, tmp_path: Path) -> None:
    """Of ids and vectors only: no other column."""
    rows, bad = 300, [10, 20, 250]
    ids = [f"id-{row}" for row in range(rows)]
    ids[251] = ids[10]  # Refused, and good later.
    vectors = clustered(rows, DIMS) + 10
    spoiled = vectors.copy()
    spoiled[bad] = 0
    folders = [tmp_path / "source" / f"day={day}" for day in (1, 2)]
    for folder, part in zip(folders, (slice(0, 150), slice(150, rows)), strict=True):
        folder.mkdir(parents=True)
        write_source(folder / "rows.parquet", ids[part], spoiled[part])
    source = str(tmp_path / "source")
    train(TrainSettings(name="whole", source=source, metric="cosine"), services)
    settings = IndexSettings(name="whole", source=source, columns=(), chunk_rows=40, max_dead_letters=3)
    first = run_index(settings, services)
    assert first.dead_lettered == len(bad)
    client = services.connection.client()
    before = {row: client.get(index="whole", id=ids[row]) for row in (11, 251)}

    vectors[11] += 1  # No dead letter: not its business.
    write_source(tmp_path / "corrected.parquet", ids, vectors)
    result = replay_dead_letters(ReplaySettings(name="whole", source=str(tmp_path / "corrected.parquet")), services)

    assert (result.replayed, result.unmatched, result.passed_over) == (3, 0, rows - 4)
    assert (result.report.documents, result.report.dead_lettered) == (rows - 1, 0)
    assert {row: client.get(index="whole", id=ids[row]) for row in before} == before
    held = {row: client.get(index="whole", id=ids[row])["_source"]["airlsh"] for row in (20, 250)}
    assert {row: (own["row"], own["partition"]) for row, own in held.items()} == {
        20: (20, "day=1"),
        250: (250, "day=2"),
    }


def test_rows_of_ids_that_were_changed_live_count_as_replaced(services: Services, tmp_path: Path) -> None:
    vectors = clustered(500, DIMS)
    ids = [f"id-{row}" for row in range(400)] + [f"id-{row}" for row in range(100)]
    source = write_source(tmp_path / "rows.parquet", ids, vectors)
    train(TrainSettings(name="changed-live", source=source, metric="l2"), services)
    new = pa.table({ID_COLUMN: ["id-7", "new"], VECTOR_COLUMN: vectors[:2].tolist()})
    Journal(services.cluster, "changed-live").append(
        [
            Change("id-3", "delete"),
            Change("id-7", "upsert", pack_row(new, 0)),
            Change("id-300", "delete"),
            Change("new", "upsert", pack_row(new, 1)),
            Change("never", "delete"),
        ]
    )
    report = run_index(IndexSettings(name="changed-live", source=source, chunk_rows=40), services)
    # Both rows of id-3 and of id-7, and the one of id-300.
    assert (report.rows_read, report.replaced, report.repeated, report.accepted) == (500, 5, 98, 397)
    assert report.documents == 397 + 2
    client = services.connection.client()
    assert client.count(index="changed-live")["count"] == 399
    assert not client.exists(index="changed-live", id="id-3")
    again = stages.verify(IndexSettings(name="changed-live", source=source), report.build, services)
    assert (again.replaced, again.documents) == (5, 399)
