"""Unpacking: whole or not at all, for every account, with damaged files and other starts about."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lsh_core.errors import StackError
from lsh_core.local import distribution
from lsh_core.local.distribution import find_distribution

VERSION = "0.0.1"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
    monkeypatch.delenv("ES_HOME", raising=False)


def archive_in_maven(tmp_path: Path) -> Path:
    """An archive where Maven keeps those that it has fetched."""
    folder = tmp_path / "maven" / "org/elasticsearch/distribution/integ-test-zip/elasticsearch" / VERSION
    folder.mkdir(parents=True)
    path = folder / f"elasticsearch-{VERSION}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in (("bin/elasticsearch", 0o755), ("config/jvm.options", 0o660), ("lib/a.jar", 0o600)):
            entry = zipfile.ZipInfo(f"elasticsearch-{VERSION}/{name}")
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, "content " * 500)
    return path


def no_download(version: str, repository: Path) -> Path:
    raise StackError("elasticsearch", f"version {version} cannot be fetched")


def test_it_is_unpacked_once_and_everybody_may_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_download", no_download)
    path = archive_in_maven(tmp_path)
    home = find_distribution(VERSION).home
    assert home == tmp_path / "cache" / f"elasticsearch-{VERSION}"
    assert (home / "bin" / "elasticsearch").stat().st_mode & 0o777 == 0o755
    assert (home / "config" / "jvm.options").stat().st_mode & 0o777 == 0o644
    assert (home / "lib" / "a.jar").stat().st_mode & 0o777 == 0o644
    path.unlink()
    assert find_distribution(VERSION).home == home
    assert [folder.name for folder in (tmp_path / "cache").iterdir()] == [home.name]


@pytest.mark.parametrize("damage", ["cut off", "one byte"])
def test_a_damaged_archive_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    path = archive_in_maven(tmp_path)
    good = path.read_bytes()
    middle = good.index(b"content") + 10
    path.write_bytes(good[:-100] if damage == "cut off" else good[:middle] + b"#" + good[middle + 1 :])
    fetched = tmp_path / "fetched.zip"
    fetched.write_bytes(good)
    monkeypatch.setattr(distribution, "_download", lambda version, repository: fetched)
    home = find_distribution(VERSION).home
    assert "#" not in (home / "bin" / "elasticsearch").read_text()


def test_a_download_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_download", no_download)
    with pytest.raises(StackError, match="cannot be fetched"):
        find_distribution(VERSION)
    assert list((tmp_path / "cache").iterdir()) == []


def test_half_of_one_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_download", no_download)
    archive_in_maven(tmp_path)
    (tmp_path / "cache" / f"elasticsearch-{VERSION}" / "bin").mkdir(parents=True)
    assert (find_distribution(VERSION).home / "lib" / "a.jar").is_file()


def test_two_starts_at_once_both_find_it(tmp_path: Path) -> None:
    archive_in_maven(tmp_path)
    script = f"from lsh_core.local.distribution import find_distribution; print(find_distribution({VERSION!r}).home)"
    starts = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(4)]
    answers = {start.communicate()[0] for start in starts}
    assert [start.returncode for start in starts] == [0] * 4
    assert answers == {f"{tmp_path / 'cache' / f'elasticsearch-{VERSION}'}\n".encode()}
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_too_little_space_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "UNPACK_BYTES", 2**60)
    archive_in_maven(tmp_path)
    with pytest.raises(StackError, match="MiB are needed"):
        find_distribution(VERSION)
