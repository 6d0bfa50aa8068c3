"""Texts and images as queries, without a server: what is read of a file, and what is said of one that cannot be."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lsh_core.errors import EncoderError, ImageError, ModelMismatchError, SettingsError
from lsh_core.features.specification import EncoderSpec
from lsh_core.search.query_encoder import QueryEncoder
from lsh_core.sources.archives import MAX_IMAGE_BYTES
from lsh_core.sources.encoder_info import EncoderInfo
from tests.fakes.encoders import TinyEncoder, broken, letters, stripes

IMAGES, TEXTS = stripes(EncoderSpec("stripes")), letters(EncoderSpec("letters"))


def built_by(encoder: TinyEncoder, spec: EncoderSpec | None = None) -> Any:
    """A build whose rows `encoder` has encoded."""
    document = {} if spec is None else spec.to_json()
    made_by = EncoderInfo(encoder.name, encoder.fingerprint, encoder.dims, encoder.metric, "embedding", document)
    return SimpleNamespace(index="airlsh-docs-1", field=SimpleNamespace(encoder=asdict(made_by)))


def vector_of(image: Any) -> np.ndarray:
    return QueryEncoder(encoder=IMAGES).of_image(built_by(IMAGES), image)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.linear_gradient("L").rotate(90).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_an_image_is_a_path_a_link_or_bytes(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = vector_of(picture)
    assert vector.shape == (IMAGES.dims,)
    assert vector.std() > 0
    (picture.parent / "link.png").symlink_to(picture)
    monkeypatch.chdir(picture.parent)
    for same in (
        str(picture),
        "picture.png",
        "../" + str(Path(picture.parent.name) / "link.png"),
        picture.read_bytes(),
    ):
        np.testing.assert_array_equal(vector_of(same), vector)


def test_only_so_much_of_a_regular_file_is_read(tmp_path: Path) -> None:
    """A device or a pipe may never end."""
    os.truncate(os.open(tmp_path / "large.png", os.O_CREAT | os.O_RDWR), MAX_IMAGE_BYTES + 1)
    refused = {
        "/dev/null": "is not a regular file",
        str(tmp_path): "is not a regular file",
        str(tmp_path / "gone.png"): "there is no such file",
        str(tmp_path / "large.png"): "has more than",
    }
    for path, said in refused.items():
        with pytest.raises(ImageError, match=f"{path}.* {said}"):
            vector_of(path)
    with pytest.raises(ImageError, match="bytes, at most"):
        vector_of(bytes(MAX_IMAGE_BYTES + 1))


def test_a_broken_image_is_named(picture: Path) -> None:
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(ImageError, match=f"^{picture}: cannot be decoded: "):
        vector_of(picture)
    with pytest.raises(ImageError, match=r"^5 bytes: is no image that can be read"):
        vector_of(b"GIF90")


def test_what_is_asked_is_named_with_what_the_encoder_takes() -> None:
    nobody: Any = SimpleNamespace(index="i", field=SimpleNamespace(encoder=None))
    with pytest.raises(SettingsError, match=r"^image='cat.png': encoder letters .* of index airlsh-docs-1 takes text$"):
        QueryEncoder(encoder=TEXTS).of_image(built_by(TEXTS), Path("cat.png"))
    with pytest.raises(SettingsError, match=r"^text='a cat': encoder stripes .* takes image$"):
        QueryEncoder(encoder=IMAGES).of_text(built_by(IMAGES), "a cat")
    with pytest.raises(SettingsError, match=r"^text='a cat': index i does not say what made its vectors"):
        QueryEncoder().of_text(nobody, "a cat")


def test_another_encoder_is_refused() -> None:
    with pytest.raises(ModelMismatchError, match=r"expected vectors of encoder stripes .* given encoder letters "):
        QueryEncoder(encoder=TEXTS).of_text(built_by(IMAGES), "a cat")


def test_an_encoder_that_fails_is_an_error_of_the_encoder() -> None:
    failing = broken(EncoderSpec("broken"))
    with pytest.raises(EncoderError, match="broken: the encoder failed: RuntimeError: out of order"):
        QueryEncoder(encoder=failing).of_text(built_by(failing), "a cat")


def test_an_encoder_that_is_not_registered_is_given_in_python() -> None:
    build = built_by(TEXTS, EncoderSpec("tests.fakes.encoders:letters"))
    with pytest.raises(SettingsError, match="is for `airlsh features` at the command line alone") as refused:
        QueryEncoder().of_text(build, "a cat")
    assert "QueryEncoder(encoder=...)" in refused.value.__notes__[0]
    assert QueryEncoder(encoder=TEXTS).of_text(build, "a cat").shape == (TEXTS.dims,)
