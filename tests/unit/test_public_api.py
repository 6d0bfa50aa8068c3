"""The public API is whole, documented, and imported only where it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lsh_core
from lsh_core import errors, settings
from lsh_core.jobs.verbs import VERBS, load
from tests.docstring_examples import WITHOUT_A_SERVER, examples_of, has_examples, run_examples


def test_names_are_sorted_and_each_is_found() -> None:
    assert lsh_core.__all__ == sorted(lsh_core.__all__)
    assert dir(lsh_core) == lsh_core.__all__
    for name in lsh_core.__all__:
        value = getattr(lsh_core, name)
        assert inspect.getdoc(value), f"{name} has no docstring"
    assert not hasattr(lsh_core, "nothing")
    assert not hasattr(lsh_core, "run_index"), "its public name is index"


def test_star_imports_give_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from lsh_core import *", names)
    assert names.keys() >= set(lsh_core.__all__)


def test_every_error_is_public() -> None:
    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree <= set(lsh_core.__all__)
    assert lsh_core.AirlshError is errors.AirlshError


def test_every_settings_model_is_public() -> None:
    models = {
        name
        for name, value in vars(settings).items()
        if inspect.isclass(value) and issubclass(value, settings.Settings) and not value.__subclasses__()
    }
    given_one_by_one = {verb.settings.__name__ for verb in VERBS if verb.takes_fields}
    assert len(models) >= 14
    assert models - set(lsh_core.__all__) == given_one_by_one | {"RawToIndexSettings"}  # The form of a DAG.


def test_every_verb_is_public() -> None:
    public = [getattr(lsh_core, name) for name in lsh_core.__all__]
    missing = [verb.name for verb in VERBS if load(verb.function) not in public]
    assert len(VERBS) >= 19
    assert missing == []


def test_nothing_inside_comes_in_by_the_front_door() -> None:
    """Else a low package would import the high ones whose names the package has."""
    package = Path(lsh_core.__file__).parent
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "lsh_core" and node.level == 0:
                names = {each.name for each in node.names}
                assert all((package / name).exists() or (package / f"{name}.py").exists() for name in names), file


def test_an_import_alone_imports_nothing_large() -> None:
    code = "import lsh_core, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "lsh_core" in loaded
    assert not loaded & {"numpy", "pyarrow", "elasticsearch", "pydantic", "dask", "tensorflow", "click", "orjson"}


def test_a_search_imports_neither_dask_nor_tensorflow() -> None:
    code = "import sys; from lsh_core import VectorIndex, SearchRequest; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & {"tensorflow", "keras", "dask", "distributed", "airflow"}


@pytest.mark.parametrize("name", [name for name in lsh_core.__all__ if has_examples(name)])
def test_whatever_a_caller_uses_has_an_example(name: str) -> None:
    assert examples_of(name)


@pytest.mark.parametrize("name", WITHOUT_A_SERVER)
def test_examples_that_need_no_server(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRLSH_ES_URL", raising=False)
    monkeypatch.delenv("AIRLSH_DASK", raising=False)
    assert run_examples(name) == ""
