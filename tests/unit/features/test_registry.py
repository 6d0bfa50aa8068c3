"""Which encoders there are, who may name which, and that a process makes each once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest

from lsh_core.errors import EncoderError, NotFoundError, SettingsError, WeightsError
from lsh_core.features import registry
from lsh_core.features.encoder import Batch, Encoder, Float32Array
from lsh_core.features.registry import encoder_names, forget_encoders, make_encoder, worker_encoder
from lsh_core.features.specification import EncoderSpec

HERE = "tests.unit.features.test_registry"


class LengthEncoder:
    """A user's own encoder: the length of each text."""

    name = "length"
    fingerprint = "f" * 64
    dims = 1
    metric = "l2"
    modalities = frozenset({"text"})
    image_size = None

    def encode(self, batch: Batch) -> Float32Array:
        return np.array([[len(text)] for text in batch], dtype=np.float32)


made: list[EncoderSpec] = []


def make_length_encoder(spec: EncoderSpec) -> Encoder:
    made.append(spec)
    return LengthEncoder()


def make_wrapping_encoder(spec: EncoderSpec) -> Encoder:
    """One that stands on another, which this process keeps as well."""
    return worker_encoder(EncoderSpec(f"{HERE}:make_length_encoder", batch_size=spec.batch_size), trusted=True)


def make_nothing(_spec: EncoderSpec) -> Encoder:
    raise ZeroDivisionError("by zero")


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    made.clear()
    forget_encoders()
    yield
    forget_encoders()


def test_a_factory_may_be_named_where_the_speaker_is_trusted() -> None:
    encoder = make_encoder(EncoderSpec(f"{HERE}:make_length_encoder", options={"a": 1}), trusted=True)
    assert encoder.encode(["abc", ""]).tolist() == [[3], [0]]
    assert len(made) == 1


def test_nobody_else_may_name_a_factory() -> None:
    with pytest.raises(SettingsError, match="command line alone"):
        make_encoder(EncoderSpec(f"{HERE}:make_length_encoder"), trusted=False)
    with pytest.raises(SettingsError, match="command line alone"):
        worker_encoder(EncoderSpec("os:system"))
    worker_encoder(EncoderSpec(f"{HERE}:make_length_encoder"), trusted=True)
    with pytest.raises(SettingsError, match="command line alone"):
        worker_encoder(EncoderSpec(f"{HERE}:make_length_encoder"))


def test_nobody_else_may_name_a_saved_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"broken")
    shutil.copytree(tmp_path, tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    how = {"device": "cpu", "architecture": "MobileNet", "image_size": (32, 32)}
    assert make_encoder(EncoderSpec("image", "none", **how), trusted=False).dims == 1024
    for make in (make_encoder, worker_encoder):
        with pytest.raises(SettingsError, match=r"command line alone; save the model as \.keras"):
            make(EncoderSpec("image", str(tmp_path), device="cpu"), trusted=False)
    with pytest.raises(WeightsError):
        make_encoder(EncoderSpec("image", str(tmp_path), device="cpu"), trusted=True)


def test_an_installed_package_registers_encoders_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("length", f"{HERE}:make_length_encoder", registry.ENTRY_POINTS),
            EntryPoint("broken", "no_such_module:make", registry.ENTRY_POINTS),
        ]
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
    assert encoder_names() == ("text", "image", "clip", "broken", "length")
    assert make_encoder(EncoderSpec("length"), trusted=False).name == "length"
    with pytest.raises(EncoderError, match="no_such_module"):
        make_encoder(EncoderSpec("broken"), trusted=False)


@pytest.mark.parametrize("name", [f"{HERE}:missing", "no.such.module:make", ":make", "a..b:make"])
def test_a_factory_that_is_not_there_is_an_error_of_the_encoder(name: str) -> None:
    with pytest.raises(EncoderError, match="cannot be imported"):
        make_encoder(EncoderSpec(name), trusted=True)


def test_a_factory_that_fails_is_named() -> None:
    with pytest.raises(EncoderError, match="its factory failed: ZeroDivisionError: by zero"):
        make_encoder(EncoderSpec(f"{HERE}:make_nothing"), trusted=True)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="no encoder 'words': there are text, image, clip"):
        make_encoder(EncoderSpec("words"), trusted=True)


def test_threads_of_a_process_share_one_encoder() -> None:
    spec = EncoderSpec(f"{HERE}:make_length_encoder")
    found: list[Encoder] = []
    threads = [
        threading.Thread(target=lambda: found.append(worker_encoder(spec, trusted=True)), daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert len(made) == 1


def test_weights_that_were_written_anew_are_loaded_anew(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    spec = EncoderSpec(f"{HERE}:make_length_encoder", weights=str(tmp_path))
    first = worker_encoder(spec, trusted=True)
    assert worker_encoder(spec, trusted=True) is first
    (tmp_path / "weights").write_text("22")
    assert worker_encoder(spec, trusted=True) is not first


def test_no_more_than_a_few_encoders_are_kept() -> None:
    for number in range(5):
        worker_encoder(EncoderSpec(f"{HERE}:make_length_encoder", batch_size=number + 1), trusted=True)
    assert len(registry._kept) == registry.MAX_KEPT


def test_an_encoder_may_be_made_of_another() -> None:
    """In a thread, as one that waits for itself would never end."""
    found: list[Encoder] = []
    spec = EncoderSpec(f"{HERE}:make_wrapping_encoder")

    def make() -> None:
        found.extend(worker_encoder(replace(spec, batch_size=size), trusted=True) for size in (1, 1, 2))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(timeout=30)
    if thread.is_alive():
        registry._lock.release()  # Or every test behind this one would wait as well.
    assert len(found) == 3
    assert found[0] is found[1] is not found[2]
    assert len(made) == 2
    assert len(registry._kept) == registry.MAX_KEPT


def test_tensorflow_is_not_imported_before_an_encoder_is_made() -> None:
    modules = "registry, template, decoding, devices, text, image, clip"
    heavy = "{'tensorflow', 'keras', 'keras_hub', 'PIL'} & set(sys.modules)"
    code = f"import sys; from lsh_core.features import {modules}; print({heavy})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "set()\n"
