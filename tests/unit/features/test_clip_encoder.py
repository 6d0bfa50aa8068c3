"""Texts and images come into one space, as the preset scales and cuts them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lsh_core.errors import EncoderError, SettingsError, WeightsError
from lsh_core.features import decoding
from lsh_core.features.clip import ClipEncoder, make_clip_encoder
from lsh_core.features.decoding import ImageDecoder
from lsh_core.features.specification import EncoderSpec

TEXTS = ["cat", "a cat on the mat", "", "Cat", "dog " * 30]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_both_are_of_unit_length_in_one_space(clip: ClipEncoder) -> None:
    texts, images = clip.encode(TEXTS), clip.encode(IMAGES)
    assert texts.shape == images.shape == (5, clip.dims) == (5, 8)
    for found in (texts, images):
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert clip.encode([]).shape == clip.encode(IMAGES[:0]).shape == (0, 8)
    assert clip.modalities == {"text", "image"}
    assert ImageDecoder.of(clip) == ImageDecoder(16, 16, fit="crop")


def test_they_are_what_the_network_gives_with_its_own_preprocessor(clip: ClipEncoder, clip_folder: Path) -> None:
    import keras_hub

    backbone = keras_hub.models.CLIPBackbone.from_preset(str(clip_folder))
    preprocessor = keras_hub.models.CLIPPreprocessor.from_preset(str(clip_folder))
    inputs = preprocessor({"images": IMAGES.astype(np.float32), "prompts": TEXTS})
    for found, expected in (
        (clip.encode(TEXTS), backbone.get_text_embeddings(inputs["token_ids"])),
        (clip.encode(IMAGES), backbone.get_vision_embeddings(inputs["images"])),
    ):
        expected = np.asarray(expected)
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_rows_do_not_depend_on_their_neighbours(clip: ClipEncoder) -> None:
    alone = np.concatenate([clip.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(clip.encode(TEXTS), alone, atol=2e-6)
    np.testing.assert_allclose(clip.encode(IMAGES)[3:4], clip.encode(IMAGES[3:4]), atol=2e-6)


def test_the_fingerprint_is_of_what_decides_the_numbers(clip: ClipEncoder, clip_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(clip_folder, tmp_path, dirs_exist_ok=True)
    same = make_clip_encoder(EncoderSpec("clip", str(tmp_path), device="cpu", batch_size=2))
    assert same.fingerprint == clip.fingerprint
    cut = make_clip_encoder(EncoderSpec("clip", str(tmp_path), device="cpu", max_tokens=4))
    told = make_clip_encoder(EncoderSpec("clip", str(tmp_path), device="cpu", template="{a}"))
    assert len({clip.fingerprint, cut.fingerprint, told.fingerprint}) == 3
    np.testing.assert_array_equal(cut.encode(["dog " * 30]), cut.encode(["dog"]))
    with pytest.raises(SettingsError, match="the model has 12 positions"):
        make_clip_encoder(EncoderSpec("clip", str(tmp_path), max_tokens=13))


def test_the_fingerprint_is_of_how_images_are_decoded(
    clip: ClipEncoder, clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_FILTERS", {"squash": "BILINEAR", "crop": "LANCZOS"})
    assert make_clip_encoder(EncoderSpec("clip", str(clip_folder), device="cpu")).fingerprint != clip.fingerprint


@pytest.mark.parametrize("weights", [None, "none", "no/such/folder"])
def test_weights_that_are_not_there_are_one_error(weights: str | None) -> None:
    with pytest.raises(WeightsError, match=r"\(1\).*\(2\).*\(3\)"):
        make_clip_encoder(EncoderSpec("clip", weights))


def test_another_network_is_refused(bert_folder: Path) -> None:
    with pytest.raises(WeightsError, match="this is a BertBackbone"):
        make_clip_encoder(EncoderSpec("clip", str(bert_folder)))


def test_images_of_another_size_are_refused(clip: ClipEncoder) -> None:
    with pytest.raises(EncoderError, match=r"takes images \(n, 16, 16, 3\)"):
        clip.encode(np.zeros((1, 8, 8, 3), np.uint8))
