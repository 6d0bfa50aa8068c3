"""Images become what the network gives them, whoever made it; files that could run code are refused."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsh_core.errors import DeviceMemoryError, EncoderError, SettingsError, WeightsError
from lsh_core.features import decoding
from lsh_core.features.architectures import _known, architecture
from lsh_core.features.devices import tensorflow
from lsh_core.features.image import ImageEncoder, make_image_encoder
from lsh_core.features.registry import make_encoder
from lsh_core.features.specification import EncoderSpec

SMALL = {"architecture": "MobileNet", "image_size": (32, 32)}


def encoder(weights: str | Path | None, **how: Any) -> ImageEncoder:
    how = {"device": "cpu"} | how
    return make_image_encoder(EncoderSpec("image", None if weights is None else str(weights), **how))


def noise(rows: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Save a small network of the user's own; it takes images of 8 x 6."""
    tensorflow()
    import keras

    folder = tmp_path_factory.mktemp("own")

    def make(kind: str, channels: int = 3, **sizes: Any) -> Path:
        path = folder / f"model{channels}{len(sizes)}{kind}"
        if path.exists():
            return path
        keras.utils.set_random_seed(1)
        inputs = keras.Input((sizes.get("height", 8), sizes.get("width", 6), channels))
        outputs = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
        if "height" in sizes:
            outputs = keras.layers.GlobalAveragePooling2D()(outputs)
        model = keras.Model(inputs, outputs)
        if kind == "saved":
            model.export(path, verbose=False)
        else:
            model.save(path)
        return path

    return make


@pytest.fixture(scope="module")
def keras_file(own: Callable[..., Path]) -> Path:
    return own(".keras")


@pytest.fixture(scope="module")
def mobile() -> ImageEncoder:
    return encoder("none", **SMALL)


def test_an_architecture_gives_the_mean_of_its_last_map(mobile: ImageEncoder) -> None:
    images = noise(5, 32, 32)
    found = mobile.encode(images)
    assert found.shape == (5, mobile.dims) == (5, 1024)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2:3], mobile.encode(images[2:3]), rtol=1e-3, atol=2e-3)
    assert mobile.encode(images[:0]).shape == (0, 1024)
    assert mobile.image_size == (32, 32)


def test_pixels_are_prepared_as_the_architecture_wants_them(mobile: ImageEncoder) -> None:
    kind = architecture("mobilenet")
    model = kind.build((32, 32), None)
    images = noise(2, 32, 32)
    expected = model(images.astype(np.float32) / 127.5 - 1, training=False)
    np.testing.assert_allclose(mobile.encode(images), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("kind", ["MobileNet", "VGG16", "EfficientNetB0"])
def test_random_weights_are_the_same_whatever_other_threads_draw(kind: str) -> None:
    how = SMALL | {"architecture": kind}
    first = encoder("none", **how)
    drawn: list[float] = []
    ended = threading.Event()

    def draw() -> None:
        while not ended.is_set():
            drawn.append(random.random())
            time.sleep(1e-4)

    other = threading.Thread(target=draw)
    other.start()
    try:
        again, model = encoder("none", **how), architecture(kind).build((32, 32), None)
    finally:
        ended.set()
        other.join()
    assert again.fingerprint == first.fingerprint
    images = noise(3, 32, 32)
    np.testing.assert_allclose(again.encode(images), first.encode(images), rtol=1e-3, atol=2e-3)
    for variable, same in zip(
        model.trainable_weights, architecture(kind).build((32, 32), None).trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(variable, same)
    assert len(set(drawn)) == len(drawn) > 100  # Nobody has set them back.


def test_random_weights_are_in_the_fingerprint(monkeypatch: pytest.MonkeyPatch, mobile: ImageEncoder) -> None:
    drawn = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: drawn(seed + 1))
    assert encoder("none", **SMALL).fingerprint != mobile.fingerprint


def test_random_weights_tell_images_apart(mobile: ImageEncoder) -> None:
    found = mobile.encode(noise(3, 32, 32))
    assert 0.01 < np.abs(found).mean() < 100
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert (unit @ unit.T)[np.triu_indices(3, 1)].max() < 0.999


def test_a_file_of_weights_is_loaded_and_is_in_the_fingerprint(mobile: ImageEncoder, tmp_path: Path) -> None:
    model = architecture("MobileNet").build((32, 32), None)
    file = tmp_path / "mine.weights.h5"
    model.save_weights(file)
    mine = encoder(file, **SMALL)
    np.testing.assert_allclose(mine.encode(noise(2, 32, 32)), mobile.encode(noise(2, 32, 32)), rtol=1e-3, atol=2e-3)
    model.weights[0].assign(-np.asarray(model.weights[0]))
    model.save_weights(file)
    changed = encoder(file, **SMALL)
    assert len({mine.fingerprint, changed.fingerprint, mobile.fingerprint}) == 3
    assert not np.allclose(changed.encode(noise(1, 32, 32)), mobile.encode(noise(1, 32, 32)), atol=1e-3)


def test_architectures_are_found_however_they_are_written() -> None:
    assert architecture("mobilenet-v2").name == "MobileNetV2"
    assert (architecture("EFFICIENTNET_B3").size, architecture("ResNet50").size) == (300, 224)
    with pytest.raises(SettingsError, match=r"is no architecture: did you mean \w+. there are .* more"):
        architecture("MobileNetV9")


def test_an_image_that_is_too_small_is_a_setting_and_not_a_lack_of_weights() -> None:
    for kind in _known().values():
        least, small = kind.min_size, (kind.min_size, kind.min_size - 1)
        with pytest.raises(SettingsError, match=f"{kind.name} takes images from {least} x {least} on"):
            encoder("imagenet", architecture=kind.name, image_size=small)
        with pytest.raises(ValueError, match=f"at least {least}x{least}"):
            kind.constructor(include_top=False, weights=None, input_shape=(*small, 3))


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("kind", [".keras", ".h5", "saved"])
def test_a_users_own_model_is_taken(own: Callable[..., Path], kind: str, channels: int) -> None:
    import keras

    path = own(kind, channels)
    found = encoder(path)
    assert found.image_size == (8, 6)
    assert found.dims == 6 * 4 * 4
    grey = np.repeat(noise(3, 8, 6)[..., :1], 3, axis=3)
    model = keras.saving.load_model(own(".keras", channels), compile=False)
    expected = np.asarray(model(grey[..., :channels].astype(np.float32))).reshape(3, -1)
    np.testing.assert_allclose(found.encode(grey), expected, rtol=1e-4, atol=1e-3)


def test_the_range_of_pixels_can_be_said(keras_file: Path) -> None:
    import keras

    images = noise(2, 8, 6)
    model = keras.saving.load_model(keras_file, compile=False)
    for span, scaled in (("0..1", images / np.float32(255)), ("-1..1", images / np.float32(127.5) - np.float32(1))):
        expected = np.asarray(model(scaled)).reshape(2, -1)
        np.testing.assert_allclose(encoder(keras_file, pixels=span).encode(images), expected, rtol=1e-4, atol=1e-5)
    assert len({encoder(keras_file, pixels=span).fingerprint for span in (None, "0..255", "0..1", "-1..1")}) == 3


def test_the_fingerprint_is_of_the_content_of_the_file(
    keras_file: Path, own: Callable[..., Path], tmp_path: Path
) -> None:
    copied, saved = tmp_path / "other.keras", tmp_path / "saved"
    shutil.copy(keras_file, copied)
    assert encoder(copied, batch_size=3).fingerprint == encoder(keras_file).fingerprint
    shutil.copytree(own("saved"), saved)
    assert encoder(saved).fingerprint == encoder(own("saved")).fingerprint
    assert len({encoder(path).fingerprint for path in (keras_file, own(".keras", 1), saved)}) == 3


def test_the_fingerprint_is_of_how_images_are_decoded(keras_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoder(keras_file).fingerprint
    monkeypatch.setattr(decoding, "_FILTERS", {"squash": "BICUBIC", "crop": "BICUBIC"})
    assert encoder(keras_file).fingerprint != first
    monkeypatch.undo()
    monkeypatch.setattr(decoding, "VERSION", decoding.VERSION + 1)
    assert encoder(keras_file).fingerprint != first


def test_a_model_of_any_size_takes_the_one_that_is_asked(own: Callable[..., Path], keras_file: Path) -> None:
    path = own(".keras", 3, height=None, width=None)
    assert encoder(path).image_size == (224, 224)
    assert encoder(path, image_size=(20, 30)).encode(noise(2, 20, 30)).shape == (2, 4)
    with pytest.raises(SettingsError, match="takes images of 8 x 6"):
        encoder(keras_file, image_size=(20, 30))


def test_a_size_that_a_model_of_any_size_cannot_take_is_a_setting(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, keras.layers.Conv2D(4, 9, strides=4)(inputs)).save(tmp_path / "any.keras")
    assert encoder(tmp_path / "any.keras", image_size=(9, 13)).dims == 8
    with pytest.raises(SettingsError, match=r"image_size=\(8, 8\): the model takes no images of this size: "):
        encoder(tmp_path / "any.keras", image_size=(8, 8))


def test_a_model_that_cannot_take_what_it_says_is_an_error_of_the_weights(tmp_path: Path) -> None:
    tf = tensorflow()

    class Odd(tf.Module):  # type: ignore[misc,name-defined]
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 6, 3], tf.float32)])
        def serve(self, pixels: Any) -> Any:
            return {"out": tf.reshape(pixels, [-1, 7 * 7])}

    odd = Odd()
    tf.saved_model.save(odd, str(tmp_path), signatures=odd.serve)
    with pytest.raises(WeightsError, match=r"InvalidArgumentError.*\(1\) imagenet"):
        encoder(tmp_path)


def test_a_device_without_memory_for_one_image_is_named(keras_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Any:
        raise tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("lsh_core.features.image.run_on", full)
    with pytest.raises(DeviceMemoryError, match=r"/CPU:0.*OOM when allocating"):
        encoder(keras_file)


def test_less_precision_gives_nearly_the_same(keras_file: Path) -> None:
    images = noise(4, 8, 6)
    exact = encoder(keras_file)
    rough = encoder(keras_file, precision="bfloat16")
    assert rough.fingerprint != exact.fingerprint
    assert 0 < np.abs(rough.encode(images) - exact.encode(images)).max() < 3


def test_code_in_a_model_is_refused(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Lambda(lambda pixels: pixels * 2)])
    for file in ("m.keras", "m.h5"):
        model.save(tmp_path / file)
        with pytest.raises(WeightsError, match=r"(?i)lambda"):
            encoder(tmp_path / file)


def test_a_saved_model_that_reads_files_or_calls_python_is_refused(tmp_path: Path) -> None:
    tf = tensorflow()

    class Spy(tf.Module):  # type: ignore[misc,name-defined]
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 6, 3], tf.float32)])
        def serve(self, pixels: Any) -> Any:
            secret = tf.strings.length(tf.io.read_file("/etc/hostname"))
            return {"out": tf.reshape(pixels, [-1, 144]) + tf.cast(secret, tf.float32)}

    spy = Spy()
    tf.saved_model.save(spy, str(tmp_path), signatures=spy.serve)
    with pytest.raises(WeightsError, match="reach out of the network: ReadFile"):
        encoder(tmp_path)


def test_models_of_other_shapes_are_refused(tmp_path: Path) -> None:
    import keras

    images, words = keras.Input((8, 6, 3)), keras.Input((5,))
    keras.Model(words, keras.layers.Dense(2)(words)).save(tmp_path / "words.keras")
    keras.Model(images, [images, images]).save(tmp_path / "two.keras")
    for file, reason in (("words.keras", "not any number of images"), ("two.keras", "1 inputs and 2 outputs")):
        with pytest.raises(WeightsError, match=reason):
            encoder(tmp_path / file)


@pytest.mark.parametrize(
    ("weights", "how"),
    [
        ("imagenet", {"architecture": "MobileNetV2", "image_size": (96, 96)}),
        ("missing.keras", {}),
        ("missing", {}),
        ("./missing", {}),
        ("./missing", SMALL),
        ("missing.weights.h5", SMALL),
        ("broken.keras", {}),
        ("broken.h5", {}),
        ("empty", {}),
    ],
)
def test_weights_that_are_not_there_are_one_error_that_names_the_three_choices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: str, how: Any
) -> None:
    def unreachable(*_args: object, **_how: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("urllib.request.OpenerDirector.open", unreachable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.keras").write_bytes(b"PK broken")
    (tmp_path / "broken.h5").write_bytes(b"broken")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError) as refused:
        make_encoder(EncoderSpec("image", weights, device="cpu", **how), trusted=False)
    message = str(refused.value)
    assert "\n" not in message
    assert "(1) imagenet" in message
    assert "(2) a local file or folder" in message
    assert "(3) none" in message
    assert ("say where it is with --weights" in message) == (weights == "./missing")
    assert capsys.readouterr().out == ""


def test_only_images_of_its_size_are_taken(mobile: ImageEncoder) -> None:
    for batch in (["text"], noise(1, 31, 32), noise(1, 32, 32).astype(np.float32), noise(1, 32, 32)[0]):
        with pytest.raises(EncoderError, match="encoder image"):
            mobile.encode(batch)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{"pixels": "0..1"}, {"device": "gpu"}])
def test_settings_that_it_cannot_take_are_refused(how: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorflow().config, "list_physical_devices", lambda kind: [])
    with pytest.raises(SettingsError, match=next(iter(how))):
        encoder("none", **(SMALL | how))


def test_a_text_is_refused_by_the_name_of_its_option() -> None:
    with pytest.raises(SettingsError, match=r"^text='{a}': encoder image takes images, and they have no text"):
        encoder("none", **SMALL, template="{a}")
