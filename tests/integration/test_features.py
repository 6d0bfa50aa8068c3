"""Features on a real Dask cluster: complete and the same whatever dies, and no more work than there has to be."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lsh_core.errors import (
    EncoderError,
    FeatureLimitError,
    ImagesAwayError,
    InputError,
    NotFoundError,
    SettingsError,
    SourceError,
)
from lsh_core.features.chunk_files import read_dead_letters
from lsh_core.features.manifest import Manifest, read_manifest
from lsh_core.features.output_folder import OutputFolder
from lsh_core.features.report_lines import FeaturesReport
from lsh_core.features.specification import EncoderSpec
from lsh_core.jobs.features import compute_features
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import FeaturesSettings
from lsh_core.sources.feature_folders import REFUSED
from tests.fakes.encoders import DIMS, letters

ROWS = 2_000
AIRLSH = (sys.executable, "-c", "from lsh_core.cli.main import main; main()")
ENCODER = "tests.fakes.encoders:letters"
SLOW = "tests.fakes.encoders:slow_letters"  # The same numbers and fingerprint, with time to die in.


def write_texts(path: Path, rows: int = ROWS, first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = range(first, first + rows)
    columns = {"id": [f"p{number}" for number in numbers], "text": [f"text number {number}" for number in numbers]}
    pq.write_table(pa.table({**columns, "rank": list(numbers)}), path, row_group_size=500)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.parquet")


@pytest.fixture
def features(dask_cluster: DaskCluster, tmp_path: Path) -> Callable[..., FeaturesReport]:
    """Run the job on the cluster, by default over texts into ``tmp_path/out``."""

    def run(source: Path, **given: Any) -> FeaturesReport:
        settings = {"encoder": ENCODER, "output": str(tmp_path / "out"), "chunk_rows": 50, **given}
        if "text" not in settings and "image" not in settings:
            settings["text"] = "{id}: {text}"
        return compute_features(FeaturesSettings(source=str(source), **settings), dask_cluster.address, trusted=True)

    return run


def manifest_of(output: Path) -> Manifest:
    found = read_manifest(OutputFolder(str(output)))
    assert found is not None
    assert found.state == "complete"
    return found


def rows_of(output: Path) -> pa.Table:
    """All rows that the manifest names; beside them only what an earlier one named may lie in the folder."""
    manifest = manifest_of(output)
    # Where a writer was killed a hidden file may be left, for a day.
    there = {str(path.relative_to(output)) for path in output.rglob("[!.]*") if path.is_file()}
    shown = {f"rows/{Path(name).stem}.parquet" for name in manifest.files}
    shown |= {f"_dead_letters/{Path(name).name}" for name in manifest.all_files - set(manifest.files)}
    assert there == manifest.all_files | manifest.retired.keys() | {"_airlsh/manifest.json"} | shown
    assert not manifest.all_files & manifest.retired.keys()
    tables = [pq.read_table(output / name) for name in manifest.files]
    return pa.concat_tables([table.replace_schema_metadata() for table in tables])


def expected(source: Path) -> pa.Table:
    table = pq.read_table(source)
    texts = [f"{row['id']}: {row['text']}" for row in table.to_pylist()]
    vectors = letters(EncoderSpec("letters")).encode(texts)
    return table.append_column("embedding", pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMS))


def wait_for_chunks(output: Path, minimum: int) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (found := len(list((output / "_airlsh" / "chunks").glob("*.pq"))) if output.exists() else 0) >= minimum:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{output} has no {minimum} chunks")


def settled_chunks(output: Path) -> int:
    """How many chunks there are once none has been added for a while."""
    found, since = -1, time.monotonic()
    while time.monotonic() - since < 1.5:
        if (now := len(list((output / "_airlsh" / "chunks").glob("*.pq")))) != found:
            found, since = now, time.monotonic()
        time.sleep(0.05)
    return found


def test_a_run_keeps_the_rows_in_order_and_adds_their_vectors(features: Any, texts: Path, tmp_path: Path) -> None:
    result = features(texts)
    assert rows_of(tmp_path / "out").equals(expected(texts))
    assert (result.rows_read, result.rows_written, result.dead_lettered) == (ROWS, ROWS, 0)
    assert (result.chunks, result.reused_chunks, result.dims) == (40, 0, DIMS)
    assert set(result.work_seconds) == {"start", "read", "encode", "write", "wait"}
    again = features(texts)
    assert (again.reused_chunks, again.rows_written, again.rows_per_second) == (40, ROWS, 0)


def test_folders_may_be_told_from_here_wherever_the_workers_are(
    features: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(picture(40, "PNG"))
    pq.write_table(pa.table({"id": ["a"], "path": [str(tmp_path / "pictures" / "a.png")]}), tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    given = {"image": "path", "image_root": ("pictures",), "output": "out"}
    result = features(Path("a.parquet"), encoder="tests.fakes.encoders:stripes", **given)
    assert (result.output, result.rows_written) == ("out", 1)
    assert rows_of(tmp_path / "out").column("id").to_pylist() == ["a"]


def test_a_worker_that_is_killed_loses_nothing(
    features: Any, dask_cluster: DaskCluster, texts: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    killed = []

    def kill() -> None:
        for chunks in (4, 12):
            wait_for_chunks(output, chunks)
            killed.append(dask_cluster.kill_worker(chunks))

    killer = threading.Thread(target=kill)
    killer.start()
    result = features(texts, encoder=SLOW)
    killer.join()
    assert len(killed) == 2
    assert result.rows_written == ROWS
    assert rows_of(output).equals(expected(texts))


def test_a_command_that_is_killed_is_gone_on_with(
    features: Any, dask_cluster: DaskCluster, texts: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = ["--encoder", SLOW, "--output", str(output), "--chunk-rows", "50", "--dask", dask_cluster.address]
    command = [*AIRLSH, "features", "--source", str(texts), "--text", "{id}: {text}", *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for_chunks(output, 6)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = read_manifest(OutputFolder(str(output)))
    assert found is not None
    assert found.state == "incomplete"
    left = settled_chunks(output)
    assert 6 <= left < 40, "the tasks of the dead command went on to their end"
    assert features(texts).reused_chunks == left
    assert rows_of(output).equals(expected(texts))


def test_only_what_changed_is_computed_again(features: Any, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    for number in range(3):
        write_texts(folder / f"{number}.parquet", 200, 200 * number)
    assert features(folder).chunks == 12
    write_texts(folder / "1.parquet", 200, 5_000)
    write_texts(folder / "0-before.parquet", 100, 9_000)
    result = features(folder)
    assert (result.chunks, result.reused_chunks, result.rows_written) == (14, 8, 700)
    assert rows_of(output).equals(expected(folder))
    (folder / "1.parquet").unlink()
    assert features(folder).reused_chunks == 10
    assert rows_of(output).num_rows == 500
    first = manifest_of(output)
    assert features(folder, text="text").reused_chunks == 0
    assert not first.all_files & manifest_of(output).all_files
    assert first.all_files <= manifest_of(output).retired.keys()
    assert pa.concat_tables([pq.read_table(output / name) for name in first.files]).num_rows == 500


def test_two_runs_at_once_leave_one_of_the_two(features: Any, texts: Path, tmp_path: Path) -> None:
    outcomes: list[Any] = []

    def run(template: str) -> None:
        try:
            outcomes.append(features(texts, text=template, encoder=SLOW, chunk_rows=200).fingerprint)
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(template,)) for template in ("{id}", "{id}", "{text}")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manifest = manifest_of(tmp_path / "out")
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert len(set(outcomes)) == 2
    assert manifest.encoder.fingerprint in outcomes
    found = pa.concat_tables([pq.read_table(tmp_path / "out" / name) for name in manifest.files])
    assert found.column("id").to_pylist() == [f"p{row}" for row in range(ROWS)]


def test_rows_without_a_vector_are_told_and_limited(features: Any, tmp_path: Path) -> None:
    bad = ["fine", None, "choke", "infinite", " ", "fine too"] * 20
    pq.write_table(pa.table({"id": [*range(119), None], "text": bad}), tmp_path / "a.parquet")
    output = tmp_path / "out"
    with pytest.raises(FeatureLimitError, match="81 rows got no vector, 80 are allowed") as refused:
        features(tmp_path / "a.parquet", text="text", max_dead_letters=80)
    assert refused.value.final
    assert f"{output}/{REFUSED} list each row with its reason" in str(refused.value)
    assert list((output / REFUSED).glob("*.pq"))
    assert f"{tmp_path}/a.parquet row 1: null_text: 'text': null or blank" in str(refused.value)
    assert (read_manifest(OutputFolder(str(output))) or manifest_of(output)).state == "incomplete"
    result = features(tmp_path / "a.parquet", text="text", max_dead_letters=81)
    assert (result.rows_written, result.dead_lettered, result.reused_chunks) == (39, 81, 3)
    folder = OutputFolder(str(output))
    found = [letter for chunk in manifest_of(output).chunks for letter in read_dead_letters(folder, chunk)]
    kinds = {letter.row: letter.error for letter in found}
    assert [kinds.get(row) for row in range(6)] == [None, "null_text", "not_encoded", "not_finite", "null_text", None]
    assert kinds[119] == "null_id"
    assert rows_of(output).column("id").to_pylist()[:3] == [0, 5, 6]


def test_images_that_come_later_are_found_by_the_next_run(features: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "path": ["a.png", "b.png"]}), tmp_path / "rows.parquet")
    (tmp_path / "a.png").write_bytes(picture(10, "PNG"))
    given = {"image": "path", "encoder": "tests.fakes.encoders:stripes", "max_dead_letters": 1}
    with pytest.raises(ImagesAwayError, match="1 of them are images that could not be fetched"):
        features(tmp_path / "rows.parquet", **{**given, "max_dead_letters": 0})
    assert features(tmp_path / "rows.parquet", **given).dead_lettered == 1
    (tmp_path / "b.png").write_bytes(picture(20, "PNG"))
    assert features(tmp_path / "rows.parquet", **given).rows_written == 2
    assert features(tmp_path / "rows.parquet", **given).reused_chunks == 1


def test_dead_letters_that_were_deleted_are_written_again(features: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture(10, "PNG"))
    (tmp_path / "in" / "b.png").write_bytes(b"no image at all")
    given = {"image": None, "encoder": "tests.fakes.encoders:stripes", "max_dead_letters": 1}
    features(tmp_path / "in", **given)
    shutil.rmtree(tmp_path / "out" / "_airlsh" / "refused")
    result = features(tmp_path / "in", **given)
    assert (result.rows_written, result.dead_lettered, result.reused_chunks) == (1, 1, 0)
    assert rows_of(tmp_path / "out").column("id").to_pylist() == ["a.png"]


def picture(colour: int, kind: str, mode: str = "RGB", size: tuple[int, int] = (20, 10)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, colour).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def test_a_folder_of_bad_and_odd_files_is_no_trouble(features: Any, tmp_path: Path) -> None:
    whole = picture(40, "PNG", size=(300, 300))
    bomb = picture(1, "PNG", "L", (9_000, 9_000))
    good = {
        "a.png": picture(10, "PNG"),
        "b.jpg": picture(20, "JPEG"),
        "c.webp": picture(30, "WEBP"),
        "d.gif": picture(40, "GIF"),
        "e/cmyk.jpg": picture(50, "JPEG", "CMYK"),
        "e/alpha.png": picture(60, "PNG", "RGBA"),
    }
    bad = {"truncated.png": whole[:200], "empty.png": b"", "notes.txt": b"no image at all", "bomb.png": bomb}
    for name, content in {**good, **bad}.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in {**good, **bad}.items():
            archive.writestr(name, content)
    rows = pa.table({"id": list({**good, **bad}), "picture": pa.array([*good.values(), *bad.values()], pa.binary())})
    pq.write_table(rows, tmp_path / "in.parquet")
    paths = pa.table({"id": rows.column("id"), "path": [f"in/{name}" for name in rows.column("id").to_pylist()]})
    pq.write_table(paths, tmp_path / "paths.parquet")
    found = []
    for source, image in (("in", None), ("in.zip", None), ("in.parquet", "picture"), ("paths.parquet", "path")):
        given = {"image": image, "encoder": "tests.fakes.encoders:stripes", "max_dead_letters": 4}
        result = features(tmp_path / source, **given, output=str(tmp_path / f"out-{source}"))
        assert (result.rows_written, result.dead_lettered) == (6, 4), source
        table = rows_of(tmp_path / f"out-{source}").sort_by("id")
        assert table.column_names == ["id", *(["path"] if image == "path" else []), "embedding"]
        found.append(table.select(["id", "embedding"]))
        folder = OutputFolder(str(tmp_path / f"out-{source}"))
        manifest = manifest_of(tmp_path / f"out-{source}")
        told = {letter.id: letter for chunk in manifest.chunks for letter in read_dead_letters(folder, chunk)}
        assert set(told) == set(bad)
        assert {letter.error for letter in told.values()} == {"bad_image"}
        assert "is empty" in told["empty.png"].reason
        assert "too many pixels" in told["bomb.png"].reason
    assert all(found[0].equals(other) for other in found)
    means = np.array(found[0].column("embedding").to_pylist()).mean(axis=1)
    assert np.allclose(means, [10, 20, 30, 40, 60, 50], atol=3)


def test_names_that_are_not_utf8_are_dead_letters(features: Any, tmp_path: Path) -> None:
    bad = os.fsdecode(b"b\xff.png")
    (tmp_path / "in").mkdir()
    for name in ("a.png", bad):
        (tmp_path / "in" / name).write_bytes(picture(10, "PNG"))
    with zipfile.ZipFile(tmp_path / "in" / f"{bad}.zip", "w") as archive:
        archive.writestr("d.png", picture(30, "PNG"))
    with tarfile.open(tmp_path / "in" / "c.tar", "w") as tarred:
        tarred.add(tmp_path / "in" / bad, bad)
        tarred.add(tmp_path / "in" / "a.png", "c.png")
    given = {
        "image": None,
        "encoder": "tests.fakes.encoders:stripes",
        "max_dead_letters": 3,
        "chunk_rows": 1,
    }
    result = features(tmp_path / "in", **given)
    assert rows_of(tmp_path / "out").column("id").to_pylist() == ["c.tar/c.png", "a.png"]
    folder = OutputFolder(str(tmp_path / "out"))
    found = [letter for chunk in manifest_of(tmp_path / "out").chunks for letter in read_dead_letters(folder, chunk)]
    assert {letter.error for letter in found} == {"id_not_utf8"}
    assert sorted(str(letter.id) for letter in found) == [
        *("b\\udcff.png", "b\\udcff.png.zip/d.png", "c.tar/b\\udcff.png"),
    ]
    assert features(tmp_path / "in", **given).reused_chunks == result.chunks


def test_the_command_prints_one_document(texts: Path, dask_cluster: DaskCluster, tmp_path: Path) -> None:
    options = ["--id", "id", "--text", "text", "--encoder", ENCODER, "--output", str(tmp_path / "out"), "--json"]
    command = [*AIRLSH, "features", "--source", str(texts), *options]
    environment = {**os.environ, "AIRLSH_DASK": dask_cluster.address}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert set(result) == {
        *("output", "encoder", "fingerprint", "dims", "metric", "rows_read", "rows_written", "dead_lettered"),
        *("reused_chunks", "chunks", "seconds", "rows_per_second", "work_seconds"),
        *("source_format", "source_version", "left_out", "left_out_names"),
    }
    assert result["metric"] == "cosine"
    assert "features" in ran.stderr


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"text": "title"}, SourceError, "column 'title' does not exist"),
        ({"encoder": "nothing"}, NotFoundError, "no encoder 'nothing'"),
        ({"encoder": "tests.fakes.encoders:nothing"}, EncoderError, "cannot be imported"),
        ({"encoder": "tests.fakes.encoders:stripes"}, EncoderError, "encodes image, the source is text"),
        (
            {"encoder": "tests.fakes.encoders:broken"},
            EncoderError,
            "fails for every row: RuntimeError: out of order",
        ),
        (
            {"encoder": "tests.fakes.encoders:ending"},
            EncoderError,
            "failed: it ended the process, sys.exit(4)",
        ),
        ({"weights": "/nowhere"}, NotFoundError, "no weights '/nowhere'"),
        ({"output": "/dev/null/out"}, SourceError, "cannot be written to"),
        ({"output": "texts"}, SettingsError, "lies in the source"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(
    features: Any, texts: Path, tmp_path: Path, given: dict[str, Any], error: type[InputError], said: str
) -> None:
    source = texts
    if given.get("output") == "texts":
        source, given = texts.parent, {"output": str(texts.parent / "out"), "text": "text"}
    with pytest.raises(error) as refused:
        features(source, **given)
    assert said in str(refused.value)
    assert not list((tmp_path / "out").glob("_airlsh/chunks/*"))


def test_a_worker_that_cannot_make_the_encoder_names_itself(
    features: Any, texts: Path, dask_cluster: DaskCluster
) -> None:
    with pytest.raises(EncoderError, match="No module named 'nowhere'; its module must be importable") as refused:
        features(texts, encoder="nowhere:make")
    assert re.fullmatch(r"This was on the Dask worker tcp://127\.0\.0\.1:\d+\.", *refused.value.__notes__)


def test_nobody_else_may_name_a_module(texts: Path, dask_cluster: DaskCluster, tmp_path: Path) -> None:
    settings = FeaturesSettings(source=str(texts), text="text", encoder=ENCODER, output=str(tmp_path / "out"))
    with pytest.raises(SettingsError, match="module:factory is for `airlsh features` at the command line alone"):
        compute_features(settings, dask_cluster.address)
