"""The files of a report, in a folder of this machine and elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from lsh_core.errors import SourceError
from lsh_core.evaluation.report_folder import write_report
from lsh_core.sources.writable_folders import check_writable
from tests.fakes.evaluations import made_evaluation, made_health

STEM = "packages-20261121t000650-8ee64e"


def test_a_page_its_drawings_and_its_figures(tmp_path: Path) -> None:
    result = made_evaluation(health=made_health())
    folder = tmp_path / "made" / "for it"
    check_writable(str(folder))
    assert list(folder.iterdir()) == []
    assert write_report(result, str(folder)) == f"{folder}/{STEM}.html"
    drawings = {f"{STEM}-{key}.svg" for key in ("recall", "frontier", "histogram", "scored", "sizes", "largest")}
    assert {file.name for file in folder.iterdir()} == {f"{STEM}.html", f"{STEM}.json"} | drawings
    assert json.loads((folder / f"{STEM}.json").read_text()) == result.to_json()


def test_a_report_is_written_over_an_earlier_one_and_beside_other_files(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("kept")
    write_report(made_evaluation(rows=5), str(tmp_path))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    check_writable(str(tmp_path))
    write_report(made_evaluation(rows=5), f"{tmp_path}/")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    write_report(made_evaluation(rows=7), str(tmp_path))
    assert json.loads((tmp_path / f"{STEM}.json").read_text())["rows"] == 7
    assert (tmp_path / "other.txt").read_text() == "kept"


def test_a_folder_elsewhere() -> None:
    check_writable("memory://reports")
    place = write_report(made_evaluation(), "memory://reports")
    assert place == f"memory:///reports/{STEM}.html"
    with fsspec.open(place, "rt") as page:
        assert page.read().startswith("<!DOCTYPE html>")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for place in (str(file), str(file / "folder"), "/proc/airlsh-reports"):
        with pytest.raises(SourceError, match=f"^{place}: cannot be written to: "):
            check_writable(place)
    with pytest.raises(SourceError, match="nobody://x: cannot be opened"):
        check_writable("nobody://x")


def test_nothing_is_drawn_with_before_a_report_is_asked_for() -> None:
    modules = "lsh_core.jobs.evaluate, lsh_core.jobs.report, lsh_core.evaluation.report_page"
    code = f"import sys, {modules}\nprint(*{{'matplotlib', 'jinja2'}} & set(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert imported.stdout.split() == []


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    write_report(made_evaluation(build="../../b1"), str(folder))
    assert [file.name for file in tmp_path.iterdir()] == ["reports"]
    assert all(file.is_file() for file in folder.iterdir())
