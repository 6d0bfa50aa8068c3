"""Options of the commands that change a live build, and their end by a signal."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lsh_core.cli.main import main
from lsh_core.jobs import builds, changes, refresh, retention
from lsh_core.jobs.changes import DeleteReport
from lsh_core.settings import DeleteSettings

NODE = ("--es", "http://127.0.0.1:9")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, *NODE])


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--ids", "gimp, inkscape"], ("gimp", "inkscape")),
        (["--exact-id", "a,b"], ("a,b",)),
        (["--exact-id", " a, b ", "--exact-id", "c"], (" a, b ", "c")),
        (["--ids", "d,e", "--ids", "f", "--exact-id", ""], ("d", "e", "f", "")),
        (["--ids-from", "ids.parquet"], ()),
    ],
)
def test_ids_are_parted_at_commas_unless_they_are_exact(
    monkeypatch: pytest.MonkeyPatch, options: list[str], ids: tuple[str, ...]
) -> None:
    seen: list[DeleteSettings] = []

    def delete(settings: DeleteSettings, _: object) -> DeleteReport:
        seen.append(settings)
        count = len(settings.ids) + len(settings.exact_id)
        return DeleteReport(name=settings.name, build="b", deleted=count, missing=0)

    monkeypatch.setattr(changes, "delete", delete)
    assert run("delete", "docs", *options).exit_code == 0
    assert [(*each.ids, *each.exact_id) for each in seen] == [ids]


@pytest.mark.parametrize(
    ("module", "job", "command"),
    [
        (changes, "upsert", "upsert docs --source s"),
        (changes, "delete", "delete docs --ids a"),
        (refresh, "refresh", "refresh docs --source s --partition day=1"),
        (builds, "promote", "builds promote docs --build b"),
        (builds, "rollback", "builds rollback docs"),
        (retention, "retire", "builds retire docs"),
        (retention, "abandon", "builds abandon docs --build b"),
    ],
)
def test_whoever_is_told_to_end_lets_go_first(
    monkeypatch: pytest.MonkeyPatch, module: Any, job: str, command: str
) -> None:
    let_go: list[bool] = []

    def at_work(*_: object) -> None:
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL, "this would end the tests"
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            let_go.append(True)

    monkeypatch.setattr(module, job, at_work)
    ended = run(*command.split())
    assert ended.exit_code == 128 + signal.SIGTERM
    assert "airlsh: terminated by a signal" in ended.output
    assert let_go == [True]
