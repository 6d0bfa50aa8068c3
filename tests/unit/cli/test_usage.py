"""What the command line says to bad usage and bad input, and what its help costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from lsh_core.cli.main import main
from lsh_core.cli.options import make_settings
from lsh_core.search.live_index import WAIT_SECONDS
from lsh_core.settings import (
    AbandonSettings,
    EvaluateSettings,
    FeaturesSettings,
    IndexSettings,
    PromoteSettings,
    ReplaySettings,
    ReportSettings,
    RetireSettings,
    RollbackSettings,
    SearchSettings,
    Settings,
    TrainSettings,
)

NOWHERE = "http://127.0.0.1:9"
HEAVY = (
    *("tensorflow", "keras", "dask", "distributed", "sklearn", "elasticsearch", "elastic_transport", "pyarrow"),
    *("airflow", "pandas", "matplotlib", "numpy", "fsspec"),
)


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AIRLSH_ES_URL", "AIRLSH_DASK", "AIRLSH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from commands(found, *path, name)


COMMANDS = dict(commands(main))


def test_all_commands_are_there() -> None:
    wanted = {
        "upsert",
        "delete",
        "refresh",
        "dead-letters replay",
        "demo",
        "features",
        "train",
        "index",
        "search",
        "models list",
        "models show",
        "builds list",
        "builds show",
        "builds promote",
        "builds rollback",
        "builds retire",
        "builds abandon",
        "builds report",
        "evaluate",
        "dead-letters list",
        "up",
        "down",
        "status",
        "doctor",
    }
    groups = {"", "models", "builds", "dead-letters"}
    assert {" ".join(path) for path in COMMANDS} == wanted | groups


def test_the_help_lists_each_command_with_its_summary() -> None:
    listed = " ".join(run("--help").output.split())
    for path, command in COMMANDS.items():
        if len(path) == 1:
            assert f" {path[0]} {(command.help or '').splitlines()[0]} " in f" {listed} ", path


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_explained(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert (command.help or "").strip().endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").strip(), parameter.name
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
    for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
        assert option.opts[0] in result.output


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (("features",), FeaturesSettings),
        (("train",), TrainSettings),
        (("index",), IndexSettings),
        (("search",), SearchSettings),
        (("builds", "rollback"), RollbackSettings),
        (("builds", "retire"), RetireSettings),
        (("dead-letters", "replay"), ReplaySettings),
        (("builds", "promote"), PromoteSettings),
        (("builds", "abandon"), AbandonSettings),
        (("builds", "report"), ReportSettings),
        (("evaluate",), EvaluateSettings),
    ],
)
def test_each_setting_is_an_option(path: tuple[str, ...], model: type[Settings]) -> None:
    command, fields = COMMANDS[path], model.form_fields().model_fields
    parameters = {parameter.name: parameter for parameter in command.get_params(click.Context(command))}
    del parameters["_click_default_help"]
    assert set(parameters) == {*fields, "as_json"} | (set() if path[0] == "features" else {"es"}) | (
        {"dask"} if path[0] in ("features", "train", "index") else set()
    ) | ({"resume"} if path == ("index",) else set())
    for name, field in fields.items():
        parameter = parameters[name]
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] == (f"--{name.replace('_', '-')}" if name != "k" else "-k")
            assert str(field.description) in str(parameter.help)
            # A run that is resumed has its source already.
            assert parameter.required == (field.is_required() and (path, name) != (("index",), "source"))


BAD_USAGE = [
    [],
    ["nonsense"],
    ["train"],
    ["train", "docs", "--source", "a.parquet", "--metric", "jaccard"],
    ["train", "docs", "--source", "a.parquet", "--lists", "many"],
    ["index", "docs", "--source", "a.parquet", "--colour", "blue"],
    ["index", "docs", "extra", "--source", "a.parquet"],
    ["search"],
    ["builds"],
    ["searhc", "docs"],
    ["builds", "lst"],
    ["builds", "quux"],
    ["index", "docs"],
    ["train", "docs"],
    ["upsert", "docs"],
    ["refresh", "docs"],
    ["dead-letters", "replay", "docs"],
    ["builds", "promote", "docs"],
    ["builds", "abandon", "docs"],
    ["builds", "report", "docs"],
    ["features", "--source", "a.parquet"],
    ["models", "show"],
    ["dead-letters", "list"],
    ["search", "docs", "-k", "abc", "--id", "a"],
    ["up", "--nodes", "0"],
    ["up", "--nodes", "99"],
]


@pytest.mark.parametrize("arguments", BAD_USAGE, ids=" ".join)
def test_bad_usage_is_two_and_says_nothing_on_standard_output(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("arguments", [each for each in BAD_USAGE if len(each) > 1], ids=" ".join)
def test_with_json_bad_usage_is_one_document(arguments: list[str]) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["type"] == "UsageError"
    assert error["message"] in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["searhc", "docs"], "Did you mean 'search'?"),
        (["quux"], "See airlsh --help."),
        (["builds", "lst"], "Did you mean 'list'?"),
        (["builds", "quux"], "See airlsh builds --help."),
        (["index", "docs"], "Missing option '--source': what to index, such as --source rows.parquet."),
        (["train", "docs"], "Missing option '--source'"),
        (["builds", "promote", "docs"], "Missing option '--build'"),
    ],
)
def test_bad_usage_says_what_to_write(arguments: list[str], said: str) -> None:
    assert said in run(*arguments).stderr


FEATURES = ("features", "--encoder", "text", "--output", "out")

BAD_INPUT = [
    ([*FEATURES, "--source", "gone.parquet", "--text", "a"], "gone.parquet"),
    ([*FEATURES, "--source", "a.parquet", "--text", "a", "--image", "b"], "a row is encoded once"),
    ([*FEATURES, "--source", "a.parquet", "--text", "a", "--batch-size", "0"], "batch_size"),
    ([*FEATURES, "--source", "a.parquet", "--text", "a", "--dask", "nowhere"], "must look like tcp://host:8786"),
    (["train", "Docs", "--source", "a.parquet"], "name"),
    (["train", "docs", "--source", "a.parquet", "--lists", "0"], "lists"),
    (["train", "docs", "--source", "a.parquet", "--sample", "1"], "sample"),
    (["index", "airlsh-x", "--source", "a.parquet"], "reserved"),
    (["index", "docs", "--source", "a.parquet", "--shards", "0"], "shards"),
    (["index", "docs", "--source", "a.parquet", "--max-dead-letters", "-1"], "max_dead_letters"),
    (["search", "docs", "-k", "0", "--id", "a"], "k=0"),
    (["search", "docs", "--id", ""], "id='': must have at least 1 character"),
    (["search", "docs", "--vectors", ""], "vectors='': must have at least 1 character"),
    (["search", "docs", "--match", "web"], "--match says which words to look for beside a target"),
    (["search", "docs", "--id", "a", "--wait-seconds", "-1"], "wait_seconds=-1.0: must be greater than or equal to 0"),
    (["search", "docs", "--vectors", ".", "--es", NOWHERE], "Is a directory"),
    (["search", "docs", "--id", "a", "--filter", "[]", "--es", NOWHERE], "must be an object"),
    (["search", "docs", "--id", "a", "--filter", "", "--es", NOWHERE], 'not JSON such as {"term"'),
    (["delete", "docs", "--ids", " , ", "--es", NOWHERE], "or nothing is deleted"),
    (["search", "docs"], "one of --id, --vector, --vectors, --text and --image"),
    (["search", "docs", "--id", "a", "--vectors", "b.npy"], "--id, --vectors are several targets: give one"),
    (["search", "docs", "--id", "a", "--match-weight", "0.5", "--es", NOWHERE], "has no use without match"),
    (["search", "docs", "--id", "a", "--fusion", "rrf", "--es", NOWHERE], "fusion='rrf': has no use without match"),
    (["search", "docs", "--id", "a", "--match", "x", "--match-weight", "2", "--es", NOWHERE], "match_weight=2"),
    (["search", "docs", "--id", "a", "--match", " ", "--es", NOWHERE], "match=' ': is empty"),
    (["search", "docs", "--vector", "1,x", "--es", NOWHERE], "vector='1,x': must be numbers with commas between them"),
    (["search", "docs", "--id", "a", "--exact", "--recall", "0.9", "--es", NOWHERE], "has no use in an exact search"),
    (["search", "docs", "--vectors", "gone.npy", "--es", NOWHERE], "gone.npy"),
    (["search", "docs", "--id", "a", "--filter", "{", "--es", NOWHERE], "not JSON"),
    (["search", "docs", "--id", "a", "--filter", '{"script": {}}', "--es", NOWHERE], "filter at script"),
    (["search", "docs", "--id", "a", "--es", "ftp://es"], "must look like http://host:9200"),
    (["builds", "retire", "docs", "--keep", "0", "--es", NOWHERE], "keep"),
    (["builds", "list", "docs"], "airlsh up"),
    (["builds", "list", "Docs*"], "name='Docs*': must be 1 to 100 characters"),
    (["builds", "show", "Docs*"], "name='Docs*': must be 1 to 100 characters"),
    (["models", "list"], "airlsh up"),
    (["dead-letters", "list", "docs"], "airlsh up"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT, ids=[" ".join(each[0])[:60] for each in BAD_INPUT])
def test_bad_input_is_two_and_one_sentence(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.startswith("airlsh: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT, ids=[" ".join(each[0])[:60] for each in BAD_INPUT])
def test_with_json_bad_input_is_one_document(arguments: list[str], said: str) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert set(document) == {"error"}
    assert document["error"]["type"].endswith("Error")
    assert said in document["error"]["message"]
    assert said in result.stderr


def test_a_search_of_a_server_that_is_down_waits_as_long_as_is_said() -> None:
    result = run("search", "docs", "--id", "a", "--es", NOWHERE, "--wait-seconds", "0")
    assert result.exit_code == 1
    assert "did not answer; last" in result.stderr
    assert SearchSettings(name="docs").wait_seconds == WAIT_SECONDS == 3


def test_a_log_level_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLSH_LOG_LEVEL", "loud")
    result = run("models", "list", "--es", NOWHERE)
    assert result.exit_code == 2
    assert result.stderr == ("airlsh: AIRLSH_LOG_LEVEL='loud': must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f'{sys.executable} -c \'from lsh_core.cli.main import main; main(["index", "--help"])\' | head -n 1'
    found = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout.startswith("Usage: ")
    assert found.stderr == ""


def test_a_password_in_an_address_is_never_printed() -> None:
    result = run("search", "docs", "--id", "a", "--es", "http://user:s3cret@es:port", "--json")
    assert result.exit_code == 2
    assert "s3cret" not in result.output


def test_lists_may_be_repeated_or_written_with_commas() -> None:
    values = {"name": "docs", "source": "a.parquet", "text_field": ("a, b", "c"), "columns": (), "promote": False}
    settings = make_settings(IndexSettings, values)
    assert settings.text_field == ("a", "b", "c")
    assert settings.columns is None
    assert settings.promote is False


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["index", "--help"], ["features", "--help"], ["builds", "retire", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from lsh_core.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "loaded: []"


def test_making_every_command_imports_nothing_heavy() -> None:
    script = (
        "import sys, click\n"
        "from lsh_core.cli.main import main\n"
        "def walk(command):\n"
        "    context = click.Context(command)\n"
        "    for name in command.list_commands(context) if isinstance(command, click.Group) else ():\n"
        "        walk(command.get_command(context, name))\n"
        "walk(main)\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "arguments", [("--version",), (*FEATURES, "--source", "gone.parquet", "--text", "a", "--json")]
)
def test_an_output_that_cannot_be_written_is_one_line(arguments: tuple[str, ...], buffered: bool) -> None:
    script = f"from lsh_core.cli.main import main; main({arguments!r})"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment, text=True, check=False, timeout=60
        )
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith("airlsh: the output cannot be written: [Errno 28]")
    assert len(found.stderr.splitlines()) == (2 if "--json" in arguments else 1), "the first tells of the source"
