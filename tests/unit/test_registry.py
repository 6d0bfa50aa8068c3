"""Models and metrics by name, those of installed packages among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsh_core.built_in import METRICS, MODELS
from lsh_core.errors import PluginError, SettingsError
from lsh_core.registry import Declaration, Registry
from tests.fakes.example_plugins import write_metadata

CODE = "class Mine:\n    name = 'mine'\n    summary = 'my own'\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with the module ``own_names``."""
    (tmp_path / "own_names.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "own_names", raising=False)
    return tmp_path


def registry() -> Registry:
    return Registry("airlsh.tests", "thing", (Declaration("built", "lsh_core.metrics.l2:L2", "built in"),))


def test_names_of_packages_come_after_the_built_in_ones(site: Path) -> None:
    write_metadata(site, "ours", "1.0", {"airlsh.tests": {"mine": "own_names:Mine", "another": "nowhere:Another"}})
    found = registry()
    assert found.names() == ("built", "another", "mine")
    assert found.load("mine").name == "mine"
    assert found.load("mine") is found.load("mine")


def test_unknown_names_are_refused_with_the_known_ones(site: Path) -> None:
    write_metadata(site, "ours", "1.0", {"airlsh.tests": {"mine": "own_names:Mine"}})
    with pytest.raises(SettingsError, match="thing='theirs': must be one of built, mine"):
        registry().load("theirs")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere:Mine", "cannot be imported from nowhere:Mine: ModuleNotFoundError: No module named 'nowhere'"),
        ("own_names:Other", "cannot be imported from own_names:Other: AttributeError"),
        (
            "own_names:__name__",
            "must be a class whose attribute `name` is 'mine', but own_names:__name__ is",
        ),
    ],
)
def test_a_class_that_cannot_be_loaded_is_named_with_its_package(
    site: Path, value: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_metadata(site, "our-package", "2.1", {"airlsh.tests": {"mine": value}})
    with pytest.raises(PluginError) as raised:
        registry().load("mine")
    assert str(raised.value).startswith(f"airlsh.tests 'mine' of our-package 2.1 {reason}")
    assert [name for name, _ in registry().load_all()] == ["built"]
    assert "our-package 2.1" in caplog.text or not caplog.records  # The command line turns propagation off.


def test_a_name_of_two_packages_is_refused_with_both(site: Path) -> None:
    for package in ("first", "second"):
        write_metadata(site, package, "1.0", {"airlsh.tests": {"mine": f"own_names:Mine{package}"}})
    with pytest.raises(PluginError, match=r"'mine' of first 1.0, second 1.0 is registered by more than one package"):
        registry().load("mine")


def test_a_package_cannot_replace_a_built_in_name(site: Path) -> None:
    write_metadata(site, "ours", "1.0", {"airlsh.tests": {"built": "own_names:Mine"}})
    assert registry().names() == ("built",)
    assert registry().load("built").__module__ == "lsh_core.metrics.l2"


def test_classes_of_packages_declare_themselves(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_metadata(site, "ours", "1.0", {"airlsh.tests": {"mine": "own_names:Mine", "another": "nowhere:Another"}})
    built, mine = registry().all_declared()
    assert built == Declaration("built", "lsh_core.metrics.l2:L2", "built in")
    assert mine == Declaration("mine", "own_names:Mine", "my own")
    assert "nowhere" in caplog.text or not caplog.records  # The command line turns propagation off.


@pytest.mark.parametrize("found", [METRICS, MODELS])
def test_built_in_classes_have_their_names(found: Registry) -> None:
    assert [each.name for _, each in found.load_all()] == list(found.names())
    assert [each.summary for _, each in found.load_all()] == [each.summary for each in found.all_declared()]
