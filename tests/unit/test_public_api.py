"""The public API is whole, documented, and imported only where it is used."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import lsh_core
import lsh_core.jobs
from lsh_core import errors, settings
from tests.docstring_examples import WITHOUT_A_SERVER, examples_of, has_examples, run_examples

CALLED_BY_DAGS_ALONE = {"train_or_reuse", "retire_all", "RawToIndexSettings"}
"""A task of the DAG from raw rows to an index, its form, and `retire` as a task that fails where a build is left."""


def test_names_are_sorted_and_each_is_found() -> None:
    assert lsh_core.__all__ == sorted(lsh_core.__all__)
    assert dir(lsh_core) == lsh_core.__all__
    for name in lsh_core.__all__:
        value = getattr(lsh_core, name)
        assert inspect.getdoc(value), f"{name} has no docstring"
    assert not hasattr(lsh_core, "nothing")


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
    assert len(models) >= 14
    assert models - set(lsh_core.__all__) <= CALLED_BY_DAGS_ALONE


def test_every_verb_is_public() -> None:
    """A verb is a public function of a module of `lsh_core.jobs` whose first argument is its settings."""
    names = [each.name for each in pkgutil.iter_modules(lsh_core.jobs.__path__)]
    modules = [importlib.import_module(f"lsh_core.jobs.{name}") for name in names]
    verbs = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith("_") and _takes_settings(value)
    }
    public = [getattr(lsh_core, name) for name in lsh_core.__all__]
    missing = {name for name, verb in verbs.items() if verb not in public}
    assert {"train", "evaluate", "retire", "refresh_partition"} <= set(verbs)
    assert missing <= CALLED_BY_DAGS_ALONE


def _takes_settings(function: object) -> bool:
    parameters = list(inspect.signature(function).parameters.values())  # type: ignore[arg-type]
    names = [parameter.name for parameter in parameters]
    first = str(parameters[0].annotation) if parameters else ""
    return first.endswith("Settings") and names[0] == "settings" and names[1:2] in (["services"], ["dask"])


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
