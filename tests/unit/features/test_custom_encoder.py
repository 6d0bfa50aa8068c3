"""What is wrong with a user's own encoder is said in one sentence that names it: where it failed, or what it claims."""

from __future__ import annotations

import importlib
import sys
from ast import literal_eval
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.errors import EncoderError
from lsh_core.features.encoding import encode_rows
from lsh_core.features.registry import make_encoder
from lsh_core.features.specification import EncoderSpec
from lsh_core.metrics import metric_names

MODULE = "an_encoder_of_ours"
RIGHT = """
import sys
class Ours:
    name = "ours"
    fingerprint = "0" * 64
    dims = 1
    metric = "cosine"
    modalities = {"text"}
    image_size = None
    def encode(self, batch):
        return [[1.0]] * len(batch)
"""


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """What is said of the encoder that a module of this code makes."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def of(code: str, factory: str = "make") -> str:
        (tmp_path / f"{MODULE}.py").write_text(code)
        importlib.invalidate_caches()
        with pytest.raises(EncoderError) as refused:
            make_encoder(EncoderSpec(f"{MODULE}:{factory}"), trusted=True)
        message = str(refused.value)
        assert message.startswith(f"encoder {MODULE}:{factory}: ")
        assert "\n" not in message
        return message.replace(f"{tmp_path}/", "")

    yield of
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def make(:\n", f"cannot be imported: SyntaxError: invalid syntax ({MODULE}.py line 1)"),
        ("a = 1\n1 / 0\n", f"cannot be imported: ZeroDivisionError: division by zero ({MODULE}.py line 2)"),
        (
            "import no_such\n",
            f"cannot be imported: ModuleNotFoundError: No module named 'no_such' ({MODULE}.py line 1)",
        ),
        ("import sys; sys.exit(4)\n", f"cannot be imported: it ended the process, sys.exit(4) ({MODULE}.py line 1)"),
        ("", f"cannot be imported: AttributeError: module '{MODULE}' has no attribute 'make'"),
        ("make = 3", "is a int, and no factory that could be called"),
        ("def make(spec): raise ValueError('a\\nb')", f"its factory failed: ValueError: a ({MODULE}.py line 1)"),
        ("def make(spec): raise MemoryError", f"its factory failed: MemoryError ({MODULE}.py line 1)"),
        ("def make(spec): raise SystemExit", f"its factory failed: it ended the process, sys.exit(None) ({MODULE}.py"),
        ("def make(spec): return None", "its factory returned None, and no encoder"),
        ("def make(spec): return 3", "its factory returned a int, which has no name, no fingerprint, no dims"),
    ],
)
def test_code_that_fails_is_told_with_its_place(refusal: Callable[..., str], code: str, said: str) -> None:
    assert said in refusal(code)


@pytest.mark.parametrize("name", ["../x:make", "x-y:make", f"{MODULE}:make:other", "a b:make"])
def test_what_is_no_module_of_python_is_told_how_to_spell_one(name: str) -> None:
    with pytest.raises(EncoderError, match=r"must be module:factory as Python spells them"):
        make_encoder(EncoderSpec(name), trusted=True)


def test_a_module_that_is_not_found_must_be_importable_on_the_workers() -> None:
    with pytest.raises(
        EncoderError, match=r"No module named 'nowhere'; its module must be .* folder of their PYTHONPATH"
    ):
        make_encoder(EncoderSpec("nowhere:make"), trusted=True)


@pytest.mark.parametrize(
    ("fact", "value", "wanted"),
    [
        ("name", "''", "a name"),
        ("fingerprint", "'abc'", "64 hexadecimal digits"),
        ("fingerprint", "7", "64 hexadecimal digits"),
        ("dims", "0", "a whole number from 1 on"),
        ("dims", "'eight'", "a whole number from 1 on"),
        ("dims", "True", "a whole number from 1 on"),
        ("metric", "'manhattan'", "one of l2, cosine, dot"),
        ("modalities", "{'audio'}", "a set with text, image or both"),
        ("modalities", "'text'", "a set with text, image or both"),
        ("modalities", "set()", "a set with text, image or both"),
        ("modalities", "None", "a set with text, image or both"),
        ("image_size", "(0, -4)", "None, or a height and a width from 1 on"),
        ("image_size", "(4, 4, 3)", "None, or a height and a width from 1 on"),
        ("encode", "None", "a method"),
        ("batch_size", "0", "a whole number from 1 on, where it has one"),
        ("image_fit", "'stretch'", "squash or crop, where it has one"),
    ],
)
def test_a_fact_that_cannot_be_is_named(refusal: Callable[..., str], fact: str, value: str, wanted: str) -> None:
    code = f"{RIGHT}def make(spec):\n    Ours.{fact} = {value}\n    return Ours()\n"
    assert f"its {fact} is {literal_eval(value)!r}, and must be {wanted}" in refusal(code)


def test_an_encoder_of_images_has_a_size(refusal: Callable[..., str]) -> None:
    said = refusal(f"{RIGHT}def make(spec):\n    Ours.modalities = ['image']\n    return Ours()\n")
    assert "its image_size is None, and must be a height and a width from 1 on" in said


def test_a_fact_that_fails_is_told(refusal: Callable[..., str]) -> None:
    said = refusal(f"{RIGHT}class Worse(Ours):\n    dims = property(lambda _: 1 / 0)\n\nmake = lambda spec: Worse()\n")
    assert f"does not say what it is: ZeroDivisionError: division by zero ({MODULE}.py line 13)" in said


def test_the_metrics_are_the_registered_ones(refusal: Callable[..., str]) -> None:
    said = refusal(f"{RIGHT}class Worse(Ours):\n    metric = 'l7'\n\nmake = lambda spec: Worse()\n")
    assert f"its metric is 'l7', and must be one of {', '.join(metric_names())}" in said


class Odd:
    """Fails as its weights say."""

    fingerprint, dims, metric, modalities, image_size, name = "0" * 64, np.int64(1), "l2", {"text"}, None, "odd"
    batch_size = 7

    def __init__(self, spec: EncoderSpec) -> None:
        self.error: dict[str | None, BaseException] = {"memory": MemoryError(), "exit": SystemExit(4)}
        self.how = spec.weights

    def encode(self, batch: Any) -> Any:
        if self.how in self.error:
            raise self.error[self.how]
        return np.ones((len(batch), 1), np.float32)


@pytest.mark.parametrize(
    ("how", "said"), [("memory", "failed: MemoryError"), ("exit", "failed: it ended the process, sys.exit(4)")]
)
def test_what_no_row_is_to_blame_for_ends_the_work_and_no_worker(how: str, said: str) -> None:
    name = f"{__name__}:Odd"
    encoder = make_encoder(EncoderSpec(name, weights=how), trusted=True)
    with pytest.raises(EncoderError) as refused:
        encode_rows(encoder, ["a", "b"])
    assert str(refused.value).startswith(f"encoder {name}: {said} ({__file__} line ")


def test_an_encoder_that_is_right_is_as_it_says() -> None:
    encoder: Any = make_encoder(EncoderSpec(f"{__name__}:Odd"), trusted=True)
    assert (encoder.name, encoder.dims, encoder.metric, encoder.modalities) == ("odd", 1, "l2", frozenset({"text"}))
    assert type(encoder.dims) is int
    assert encoder.batch_size == 7
    assert not hasattr(encoder, "image_fit")
    assert encoder.encode(["a", "b"]).tolist() == [[1], [1]]
