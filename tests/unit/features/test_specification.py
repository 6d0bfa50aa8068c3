"""A specification travels: pickled to workers, as JSON beside what it made."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest

from lsh_core.errors import SettingsError
from lsh_core.features.specification import EncoderSpec

FULL = EncoderSpec(
    "image",
    weights="model.keras",
    architecture="ResNet50",
    image_size=(96, 128),
    pixels="0..1",
    batch_size=8,
    device="cpu",
    precision="bfloat16",
    options={"layer": "top"},
)


@pytest.mark.parametrize("spec", [FULL, EncoderSpec("text")])
def test_it_survives_pickling_and_json(spec: EncoderSpec) -> None:
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert EncoderSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_defaults_are_left_out_of_json() -> None:
    assert EncoderSpec("text", "d").to_json() == {
        "encoder": "text",
        "weights": "d",
        "device": "auto",
        "precision": "float32",
    }


@pytest.mark.parametrize(
    ("weights", "written"),
    [
        ("https://me:hunter2@host/model.bin?sig=abc", "https://host/model.bin"),
        ("s3://key:hunter2@bucket/model", "s3://bucket/model"),
        ("hf://OWNER/MODEL", "hf://OWNER/MODEL"),
        ("/models/me@home/a.keras", "/models/me@home/a.keras"),
        ("imagenet", "imagenet"),
    ],
)
def test_what_is_written_down_has_no_secrets(weights: str, written: str) -> None:
    spec = replace(FULL, weights=weights)
    assert spec.to_record() == {**spec.to_json(), "weights": written}
    assert spec.to_json()["weights"] == weights


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("device", "tpu"),
        ("precision", "int8"),
        ("pixels", "0..2"),
        ("max_tokens", 2),
        ("max_tokens", 3.5),
        ("batch_size", 0),
        ("image_size", (0, 5)),
        ("image_size", (5,)),
        ("image_size", ("5", "6")),
        ("colour", "red"),
        ("encoder", None),
    ],
)
def test_what_no_encoder_could_take_is_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        EncoderSpec.from_json({"encoder": "text", setting: value})
    assert refused.value.setting == setting
