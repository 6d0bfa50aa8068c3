"""What can be encoded, and what is refused before any work is done."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import InputError, SourceChangedError, SourceError
from lsh_core.features.feature_source import FeatureSource, open_source
from lsh_core.features.image_loading import ImageUnavailableError, Pointer, load_image
from lsh_core.features.row_reading import read_rows
from lsh_core.settings import FeaturesSettings


def opened(source: Path | str, **settings: Any) -> FeatureSource:
    return open_source(FeaturesSettings(source=str(source), encoder="text", output="/out", **settings))


def rows_of(source: FeatureSource, *, chunk_rows: int | None = None, parallelism: int = 1) -> list[dict[str, Any]]:
    """All rows of a source as a worker sees them: the kept columns, and what would be encoded."""
    chunks = source.chunks("f", chunk_rows=chunk_rows, chunk_bytes=2**26)
    found = []
    for span in source.spans(chunks, parallelism=parallelism):
        for chunk in read_rows(span, source.columns):
            inputs = list(chunk.inputs)
            for row, kept in enumerate(chunk.kept.to_pylist()):
                found.append(kept | {"input": inputs[row], "place": chunk.place(row)})
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "day=1" / "rows.parquet"
    path.parent.mkdir()
    columns = {
        "id": pa.array(["a", None, "c", "d"]),
        "text": pa.array(["one", "two", None, " "]),
        "number": pa.array([1, 2, 3, 4]),
        "picture": pa.array([b"1", b"2", None, b""], pa.binary()),
        "hugging": pa.array([{"bytes": b"1", "path": "x"}, None, {"bytes": None, "path": "y"}, {"bytes": b"4"}]),
        "path": pa.array(["x.png", "/y.png", None, "https://host/z.png"]),
        "embedding": pa.array([0.0] * 4),
    }
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_texts_are_rendered_and_everything_but_the_vector_is_kept(table: Path) -> None:
    source = opened(table, text="{number}: {text}", replace=True)
    assert source.columns.kept.names == ["id", "text", "number", "picture", "hugging", "path", "day"]
    found = rows_of(source, chunk_rows=3)
    assert [row["input"] for row in found] == ["1: one", ("null_id", "the id is null"), "3: ", "4:  "]
    assert found[0]["day"] == "1"
    assert [row["place"] for row in found] == [(str(table), row) for row in range(4)]
    texts = [row["input"] for row in rows_of(opened(table, text="text", columns=()))]
    assert texts[2:] == [("null_text", "'text': null or blank")] * 2


def test_images_are_bytes_or_paths(table: Path) -> None:
    source = opened(table, image="picture", columns=("number", "picture"))
    assert source.columns.kept.names == ["id", "number"]
    found = [row["input"] for row in rows_of(source)]
    assert found == [b"1", ("null_id", "the id is null"), ("null_image", "the image is null"), b""]
    kept = opened(table, image="picture", columns=("number", "picture"), keep_bytes=True)
    assert kept.columns.kept.names == ["id", "number", "picture"]
    struct = opened(table, image="hugging", columns=("hugging",))
    assert struct.columns.kept.names == ["id"]
    assert struct.columns.places == (f"{table.parent}/",)
    assert [row["input"] for row in rows_of(struct)] == [b"1", ("null_id", "the id is null"), Pointer("y"), b"4"]
    paths = opened(table, image="path", columns=())
    assert paths.columns.places == (f"{table.parent}/",)
    assert rows_of(paths)[3]["input"].place == "https://host/z.png"


def test_an_image_that_is_named_nowhere_is_null(tmp_path: Path) -> None:
    columns = {"path": ["", " ", None], "both": [{"bytes": None, "path": path} for path in ("", None, "a.png")]}
    kinds = {"both": pa.struct({"bytes": pa.binary(), "path": pa.string()})}
    arrays = {name: pa.array(values, kinds.get(name)) for name, values in columns.items()}
    pq.write_table(pa.table({"id": ["a", "b", "c"], **arrays}), tmp_path / "a.parquet")
    empty, null = ("null_image", "the path is empty"), ("null_image", "the image is null")
    assert [row["input"] for row in rows_of(opened(tmp_path, image="path"))] == [empty, empty, null]
    assert [row["input"] for row in rows_of(opened(tmp_path, image="both"))] == [empty, null, Pointer("a.png")]


def test_places_are_the_same_for_workers_elsewhere(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.parent.parent)
    source = opened("day=1/rows.parquet", image="path", columns=(), image_root=("pictures", "https://host/"))
    assert source.columns.places == (str(table.parent.parent / "pictures"), "https://host/")
    assert source.columns.base == f"{table.parent}/"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"text": "title"}, "column 'title' does not exist: there are id, text"),
        ({"text": "{text} {title}"}, "column 'title' does not exist"),
        ({"text": "{text"}, "text='{text'"),
        ({"text": "picture"}, "column 'picture' is binary; texts are made of"),
        ({"image": "number"}, "column 'number' is int64; images must be bytes"),
        ({"text": "text", "id": "embedding", "vector": "v"}, "column 'embedding' is double; ids must be"),
        ({"text": "text"}, "column 'embedding' exists already; name another"),
        ({"text": "text", "columns": ("nothing",)}, "column 'nothing' does not exist"),
        ({"text": "text", "vector": "id", "replace": True}, "is the column with the ids"),
        ({}, "has columns (parquet): name the one with the texts"),
        ({"image": "path", "vector": "v", "image_root": ("ftp://host/",)}, "scheme 'ftp' is not one of"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(table: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        opened(table, **settings)
    assert said in str(refused.value)


def test_a_text_that_is_not_utf8_is_one_row(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": raw}), tmp_path / "a.parquet")
    found = [row["input"] for row in rows_of(opened(tmp_path / "a.parquet", text="text", columns=()))]
    assert (found[0], found[2]) == ("good", "fine")
    assert found[1][0] == "text_not_utf8"


def test_a_time_that_has_no_text_is_one_row(tmp_path: Path) -> None:
    raw = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    moments = pa.array([1_000_000_001, 0, 2**62], pa.int64())
    rows = {"id": ["a", "b", "c"], "text": raw, "fine": moments.cast(pa.timestamp("ns"))}
    pq.write_table(pa.table({**rows, "far": moments.cast(pa.timestamp("us"))}), tmp_path / "a.parquet")
    fine = [row["input"] for row in rows_of(opened(tmp_path, text="{text} {fine}", columns=()))]
    assert fine[0] == "a 1970-01-01 00:00:01.000000001"
    assert fine[1][0] == "text_not_utf8"
    far = [row["input"] for row in rows_of(opened(tmp_path, text="{text} {far}", columns=()))]
    assert far[0] == "a 1970-01-01 00:16:40.000001"
    assert (far[1][0], far[2][0]) == ("text_not_utf8", "value_without_text")
    assert "column 'far' holds a value of type timestamp[us]" in far[2][1]


def test_a_column_that_is_null_in_one_file_has_the_type_of_the_others(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": pa.nulls(1)}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": ["b"], "text": ["b"]}), tmp_path / "b.parquet")
    found = rows_of(opened(tmp_path, text="text"))
    assert [row["input"] for row in found] == [("null_text", "'text': null or blank"), "b"]


def write_files(folder: Path, count: int) -> dict[str, bytes]:
    """Files that are no images, which nobody notices before they are decoded; hidden ones beside them."""
    files = {f"{number % 3}/{number:03d}.png": f"image {number}".encode() for number in range(count)}
    for name, content in {**files, ".hidden": b"", "_SUCCESS": b"", "1/.DS_Store": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def test_a_folder_of_images_has_their_paths_as_ids(tmp_path: Path) -> None:
    files = write_files(tmp_path, 50)
    source = opened(tmp_path, id="path")
    assert source.columns.kept.names == ["path"]
    found = rows_of(source, chunk_rows=8, parallelism=3)
    assert [row["path"] for row in found] == sorted(files)
    assert [row["place"] for row in found] == [(str(tmp_path / name), 0) for name in sorted(files)]


def pack(folder: Path, archive: Path) -> None:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.mkdir("0")
            for path in paths:
                zipped.write(path, path.relative_to(folder))
        return
    with tarfile.open(archive, f"w:{archive.suffix[1:]}" if archive.suffix != ".tar" else "w") as tarred:
        for path in paths:
            tarred.add(path, path.relative_to(folder))
        link = tarfile.TarInfo("latest")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tarred.addfile(link)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
def test_an_archive_is_read_as_its_folder_is(tmp_path: Path, name: str) -> None:
    files = write_files(tmp_path / "in", 50)
    pack(tmp_path / "in", tmp_path / name)
    source = opened(tmp_path / name)
    found = rows_of(source, chunk_rows=8, parallelism=4)
    assert {row["id"]: row["input"] for row in found} == files
    assert [row["place"] for row in found] == [(str(tmp_path / name), row) for row in range(50)]
    spans = source.spans(source.chunks("f", chunk_rows=8, chunk_bytes=2**26), parallelism=4)
    assert len(spans) == (4 if name == "a.zip" else 1), "a tar is read from its beginning each time"


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_links_in_a_tar_are_rows(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / name, "w" if name == "a.tar" else "w:gz") as tarred:
        for member in ("a.png", ".hidden"):
            info = tarfile.TarInfo(member)
            info.size = 5
            tarred.addfile(info, io.BytesIO(member.encode()))
        for link, kind, target in [
            ("b.png", tarfile.LNKTYPE, "a.png"),
            ("c", tarfile.LNKTYPE, "b.png"),
            ("d.png", tarfile.LNKTYPE, "later.png"),
            ("E.PNG", tarfile.SYMTYPE, "a.png"),
        ]:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = kind, target
            tarred.addfile(info)
        tarred.addfile(tarfile.TarInfo("later.png"))
    found = {row["id"]: row["input"] for row in rows_of(opened(tmp_path / name), chunk_rows=2)}
    assert list(found) == ["a.png", "b.png", "c", "d.png", "E.PNG", "later.png"]
    assert (found["a.png"], found["later.png"]) == (b"a.png", b"")
    if name == "a.tar":
        assert found["b.png"] == found["c"] == b"a.png"
    else:
        assert "a compressed archive is only read forwards" in found["b.png"][1]
    for link, said in (("d.png", "is a hard link to 'later.png'"), ("E.PNG", "is a symbolic link to 'a.png'")):
        assert found[link][0] == "unreadable_image"
        assert said in found[link][1]


def test_what_is_no_file_in_a_folder_is_one_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"an image")
    (tmp_path / "above.png").write_bytes(b"not of the source")
    (tmp_path / "in" / "loop").symlink_to("..")
    (tmp_path / "in" / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    for source in (tmp_path / "in", tmp_path / "in" / "*"):
        caplog.clear()
        with caplog.at_level("WARNING", logger="lsh_core"):
            found = rows_of(opened(source))
        assert [row["id"] for row in found] == ["a.png", "gone.png", "pipe.png"]
        assert f"{source}: 1 file is not read, as " in caplog.text
        assert "or it is a link that is not followed: loop" in caplog.text
        for row in found[1:]:
            with pytest.raises(ImageUnavailableError, match="was no file when the source was listed"):
                load_image(row["input"], base="", places=())
    (tmp_path / "in" / "b.tar").symlink_to("nowhere.tar")
    with pytest.raises(SourceError, match=r"b\.tar: is not a regular file"):
        opened(tmp_path / "in")


@pytest.mark.parametrize(("now", "found"), [(("a.png", "c.png"), "another file"), (("a.png",), "its end")])
def test_an_archive_that_has_other_images_by_now_is_noticed(tmp_path: Path, now: tuple[str, ...], found: str) -> None:
    def pack(*names: str) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"1")

    pack("a.png", "b.png")
    source = opened(tmp_path / "a.zip")
    pack(*now)
    with pytest.raises(SourceChangedError, match=rf"a\.zip.*planned 'b\.png' in its place, found {found}"):
        rows_of(source)


def test_archives_and_images_may_lie_in_one_folder(tmp_path: Path) -> None:
    files = write_files(tmp_path / "in", 4)
    (tmp_path / "all").mkdir()
    pack(tmp_path / "in", tmp_path / "all" / "b.zip")
    (tmp_path / "all" / "a.png").write_bytes(b"alone")
    found = rows_of(opened(tmp_path / "all"))
    assert {row["id"] for row in found} == {"a.png", *(f"b.zip/{name}" for name in files)}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_an_archive_that_is_broken_is_no_source(tmp_path: Path, name: str) -> None:
    write_files(tmp_path / "in", 30)
    pack(tmp_path / "in", tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for content in (b"", b"no archive" * 100, whole[: len(whole) // 2]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=r"cannot be read as an archive|has no files"):
            opened(tmp_path / name)


def test_a_member_that_is_broken_is_one_row(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr("a.png", b"the first")
        zipped.writestr("b.png", b"the second")
    damaged = buffer.getvalue().replace(b"the first", b"the f1rst")
    (tmp_path / "a.zip").write_bytes(damaged)
    first, second = (row["input"] for row in rows_of(opened(tmp_path / "a.zip")))
    assert first[0] == "unreadable_image"
    assert "Bad CRC-32" in first[1]
    assert second == b"the second"


def test_files_of_different_types_give_rows_of_one_type(tmp_path: Path) -> None:
    first = {"id": pa.array([1, 2]), "text": pa.array(["a", "b"]), "n": pa.array([1, 2**53 + 1])}
    second = {
        "id": pa.array(["x", None], pa.string_view()),
        "text": pa.array(["c", "d"]).dictionary_encode(),
        "n": pa.array([0.5, None]),
        "u": pa.array([bytes(16), None], pa.uuid()),
        "__index_level_0__": pa.array([0, 1]),
    }
    for name, columns in (("a", first), ("b", second)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    source = opened(tmp_path, text="text")
    assert source.columns.kept == pa.schema(
        [("id", pa.large_string()), ("text", pa.string()), ("n", pa.float64()), ("u", pa.string())]
    )
    chunks = source.chunks("f", chunk_rows=None, chunk_bytes=2**26)
    kept = [chunk.kept for span in source.spans(chunks, parallelism=1) for chunk in read_rows(span, source.columns)]
    assert all(each.schema == source.columns.kept for each in kept)
    found = rows_of(source)
    assert [row["id"] for row in found] == ["1", "2", "x", None]
    assert [row["n"] for row in found] == [1, None, 0.5, None]
    assert found[2]["u"] == "00000000-0000-0000-0000-000000000000"
    assert [row["input"] for row in found][:3:2] == ["a", "c"]
    error, reason = found[1]["input"]
    assert error == "value_not_exact"
    assert "column 'n' holds 9007199254740993, which double does not hold exactly" in reason
