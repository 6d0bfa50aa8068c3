from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lsh_core import backends
from lsh_core.backends import choose_backend, gpu_seen, load_tensorflow, tensorflow_installed, whole_float32
from lsh_core.errors import MissingPackageError, SettingsError


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the files of a GPU's driver are looked for."""
    monkeypatch.setattr(backends, "_GPU_FILES", (f"{tmp_path}/nvidia[0-9]*",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


class Switch:
    """TensorFlow's switch for TF32, and nothing else of it."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self.config = SimpleNamespace(experimental=self)

    def tensor_float_32_execution_enabled(self) -> bool:
        return self.on

    def enable_tensor_float_32_execution(self, on: bool) -> None:
        self.on = on


def test_a_gpu_is_found_by_its_driver_and_not_if_it_is_hidden(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (driver / "nvidiactl").touch()
    assert not gpu_seen()
    (driver / "nvidia0").touch()
    assert gpu_seen()
    for visible, seen in (("", False), ("-1", False), ("0", True)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert gpu_seen() == seen


@pytest.mark.parametrize(
    ("driver_file", "listed", "chosen"),
    [(None, True, "numpy"), ("nvidia0", True, "tensorflow"), ("nvidia0", False, "numpy")],
)
def test_auto_is_tensorflow_where_it_has_a_gpu(
    driver: Path, driver_file: str | None, listed: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(backends, "_tensorflow_has_gpu", lambda: asked.append(True) or listed)
    if driver_file:
        (driver / driver_file).touch()
    assert choose_backend("auto") == chosen
    assert bool(asked) == bool(driver_file)  # TensorFlow is not imported to learn that there is no GPU.


def test_without_tensorflow_auto_is_numpy_and_tensorflow_says_what_to_install(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (driver / "nvidia0").touch()
    assert not tensorflow_installed()
    assert choose_backend("auto") == "numpy"
    with pytest.raises(MissingPackageError, match=r"hash_backend=tensorflow needs the package .*airlsh\[features\]"):
        choose_backend("tensorflow", setting="hash_backend")
    with pytest.raises(MissingPackageError, match="this needs the package tensorflow, which is not installed here"):
        load_tensorflow("this")


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(SettingsError, match="hash_backend='jax': must be one of numpy, tensorflow, auto"):
        choose_backend("jax", setting="hash_backend")


@pytest.mark.parametrize("before", [True, False])
def test_the_last_that_leaves_turns_tf32_back(before: bool) -> None:
    switch = Switch(before)
    with whole_float32(switch):
        with whole_float32(switch):
            assert not switch.on
        assert not switch.on
    assert switch.on == before
    with pytest.raises(RuntimeError), whole_float32(switch):
        raise RuntimeError
    assert switch.on == before
