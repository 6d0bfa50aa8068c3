"""Image encoder: an architecture of Keras, or a custom model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsh_core.errors import EncoderError, SettingsError, WeightsError
from lsh_core.features import decoding
from lsh_core.features.architectures import DEFAULT_SIZE, architecture
from lsh_core.features.batches import Batches
from lsh_core.features.constant_weights import frozen
from lsh_core.features.custom_model import is_custom_model, load_custom_model
from lsh_core.features.decoding import Fit
from lsh_core.features.devices import calculating_in, device_for, run_on, tensorflow
from lsh_core.features.encoder import Batch, Float32Array, Images
from lsh_core.features.specification import NO_PATHS, EncoderSpec
from lsh_core.features.weights import files_digest, fingerprint_of, loading, require_on_this_machine

CHOICES = (
    "imagenet, which Keras downloads where the network allows it",
    "a local file or folder: a .keras or .h5 model, a SavedModel, or with an architecture its .weights.h5",
    "none, for numbers drawn at random",
)
BATCH_SIZE = 8
GPU_BATCH_SIZE = 128
DEFAULT_ARCHITECTURE = "MobileNetV2"
_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, as in ITU-R 601-2."""


@dataclass(frozen=True)
class ImageNetwork:
    """Network of an image encoder.

    Attributes
    ----------
    call
        Maps (n, height, width, channels) float32, 0 to 255, to (n, ...).
    facts
        Facts that decide the numbers beside the weights.
    any_size
        Whether the model takes any size.
    """

    call: Callable[[Any], Any]
    size: tuple[int, int]
    channels: int
    facts: dict[str, Any]
    variables: Sequence[Any] = ()
    any_size: bool = False


class ImageEncoder:
    """Encodes images as vectors. See :class:`lsh_core.features.encoder.Encoder`."""

    name = "image"
    metric = "cosine"
    modalities = frozenset({"image"})
    image_fit: Fit = "squash"

    def __init__(self, network: ImageNetwork, *, device: str, batches: Batches, fingerprint: str) -> None:
        self._call, self._channels = network.call, network.channels
        self._device, self._batches = device, batches
        self.fingerprint = fingerprint
        self.image_size: tuple[int, int] = network.size
        tf = tensorflow()
        signature = [tf.TensorSpec([None, *network.size, 3], tf.uint8)]
        self._network = tf.function(self._forward, input_signature=signature, autograph=False)
        probe = np.zeros((1, *network.size, 3), dtype=np.uint8)
        self.dims = int(batches.first(lambda: self._run(probe)).shape[1])
        if not self.dims:
            raise ValueError(f"gives no numbers for an image of {network.size[0]} x {network.size[1]}")

    @property
    def batch_size(self) -> int:
        """Rows per batch, as far as the memory of the device allows."""
        return self._batches.size

    def encode(self, batch: Batch) -> Float32Array:
        """Encode images of `image_size`.

        Returns
        -------
        (n, dims) float32

        Raises
        ------
        EncoderError
            The batch is not images of this size.
        DeviceMemoryError
            Not even one image fits the device's memory.
        """
        images = checked_images(self.name, batch, self.image_size)
        return self._batches.run(len(images), self.dims, lambda part: self._run(images[part]))

    def _run(self, images: Images) -> Float32Array:
        return run_on(self._device, self._network, images)

    def _forward(self, images: Any) -> Any:
        tf = tensorflow()
        pixels = tf.cast(images, tf.float32)
        if self._channels == 1:
            pixels = tf.round(tf.reduce_sum(pixels * _LUMA, axis=3, keepdims=True))
        found = tf.cast(self._call(pixels), tf.float32)
        return tf.reshape(found, [tf.shape(found)[0], -1])


def make_image_encoder(spec: EncoderSpec) -> ImageEncoder:
    """Make the image encoder of `spec`.

    Raises
    ------
    WeightsError
        The weights are missing, or cannot be fetched or read.
    SettingsError
        The architecture is unknown, the device does not exist, or the model does not take the size.
    DeviceMemoryError
        Not even one image fits the device's memory.
    """
    if spec.template is not None:
        raise SettingsError("text", spec.template, f"encoder {spec.encoder} takes images, and they have no text")
    device = device_for(spec.device)
    with tensorflow().device(device):
        network = _network(spec)
        facts = {
            "family": "image",
            "version": 1,
            "size": network.size,
            "decoding": decoding.facts(ImageEncoder.image_fit),
            "precision": spec.precision,
            **network.facts,
        }
        size = spec.batch_size or (GPU_BATCH_SIZE if "GPU" in device else BATCH_SIZE)
        fingerprint = fingerprint_of(facts, network.variables)
        try:
            with loading("image", spec.weights or "imagenet", CHOICES):
                return ImageEncoder(network, device=device, batches=Batches(size, device), fingerprint=fingerprint)
        except WeightsError as error:
            if network.any_size:
                reason = f"the model takes no images of this size: {error.reason}"
                raise SettingsError("image_size", network.size, reason) from error
            raise


def checked_images(encoder: str, batch: Batch, size: tuple[int, int]) -> Images:
    """Return the batch if it holds images of `size`; raise :class:`EncoderError` otherwise."""
    if not isinstance(batch, np.ndarray):
        raise EncoderError(encoder, "was given texts, not images")
    if batch.dtype != np.uint8 or batch.shape[1:] != (*size, 3):
        raise EncoderError(encoder, f"takes images (n, {size[0]}, {size[1]}, 3) uint8, not {batch.shape} {batch.dtype}")
    return batch


def _network(spec: EncoderSpec) -> ImageNetwork:
    weights = spec.weights or "imagenet"
    if spec.architecture is None and weights not in NO_PATHS:
        return _own(spec, weights)
    return _published(spec, weights)


def _published(spec: EncoderSpec, weights: str) -> ImageNetwork:
    if spec.pixels is not None:
        raise SettingsError("pixels", spec.pixels, "an architecture of Keras knows its own; leave it out")
    kind = architecture(spec.architecture or DEFAULT_ARCHITECTURE)
    size = spec.image_size or (kind.size, kind.size)
    if min(size) < kind.min_size:
        raise SettingsError("image_size", size, f"{kind.name} takes images from {kind.min_size} x {kind.min_size} on")
    with calculating_in(spec.precision), loading("image", weights, CHOICES):
        model = kind.build(size, None if weights == "none" else weights)
    facts = {"architecture": kind.name, "pooling": "mean", "random": weights == "none"}
    # Random weights are the same bits everywhere; learned statistics are the same but for rounding.
    variables = model.trainable_weights if weights == "none" else model.weights
    call = frozen(model)
    return ImageNetwork(lambda pixels: call(kind.prepare(pixels)), size, 3, facts, variables)


def _own(spec: EncoderSpec, weights: str) -> ImageNetwork:
    require_on_this_machine("image", weights, CHOICES)
    if not is_custom_model(weights):
        raise WeightsError("image", weights, "is no model that can be loaded without its architecture", CHOICES)
    with loading("image", weights, CHOICES):
        model = load_custom_model(weights, spec.precision)
    size = _size(spec.image_size, model.height, model.width)
    span = spec.pixels or "0..255"
    facts = {"own": files_digest(weights), "pixels": span}

    def call(pixels: Any) -> Any:
        if span == "0..1":
            pixels = pixels / 255.0
        elif span == "-1..1":
            pixels = pixels / 127.5 - 1.0
        return model.call(pixels)

    return ImageNetwork(call, size, model.channels, facts, any_size=None in (model.height, model.width))


def _size(asked: tuple[int, int] | None, height: int | None, width: int | None) -> tuple[int, int]:
    size = asked or (height or DEFAULT_SIZE, width or DEFAULT_SIZE)
    for given, fixed in zip(size, (height, width), strict=True):
        if fixed is not None and given != fixed:
            raise SettingsError("image_size", size, f"the model takes images of {height} x {width}")
    return size
