"""Which architectures of Keras there are, each with its own size and preparation of pixels."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from lsh_core.errors import SettingsError

_SIZES = {
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
"""Height and width that the published weights were trained with, where not `USUAL_SIZE`; Keras tells nobody."""
USUAL_SIZE = 224
_LEAST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""The least height and width that the layers leave something of, where not `_USUAL_LEAST`; Keras tells it in errors."""
_USUAL_LEAST = 32
_SQUARE = 16


@dataclass(frozen=True)
class Architecture:
    """A network of `keras.applications`.

    Attributes
    ----------
    name
        As Keras spells it.
    prepare
        From pixels of 0 to 255 to what the network was trained with.
    """

    name: str
    constructor: Callable[..., Any]
    prepare: Callable[[Any], Any]

    @property
    def size(self) -> int:
        """Height and width of its images."""
        return _SIZES.get(self.name, USUAL_SIZE)

    @property
    def least(self) -> int:
        """The least height and width that it takes."""
        return _LEAST.get(self.name, _USUAL_LEAST)

    def build(self, size: tuple[int, int], weights: str | None) -> Any:
        """Make the network down to the mean over the last map of features (global average pooling).

        Parameters
        ----------
        size
            (height, width).
        weights
            "imagenet", a file, or None: numbers drawn at random, in every process the same ones but for rounding.

        Returns
        -------
        keras.Model, (n, height, width, 3) to (n, d)
        """
        published = weights if weights == "imagenet" else None
        with _same_chance():
            network = self.constructor(include_top=False, weights=published, input_shape=(*size, 3), pooling="avg")
            if weights is None:
                self._steady(network, size)
        if weights is not None and published is None:
            network.load_weights(weights)
        return network

    def _steady(self, network: Any, size: tuple[int, int]) -> None:
        """Let the layers that normalise learn their means from coloured squares.

        As Keras draws weights, each layer of an untrained network makes numbers smaller: those of MobileNet come out
        at 1e-20, and their squares are no float32 any more.
        """
        import keras

        squares = np.random.default_rng(0).integers(0, 256, (2, *(-(-side // _SQUARE) for side in size), 3))
        images = squares.repeat(_SQUARE, axis=1).repeat(_SQUARE, axis=2)[:, : size[0], : size[1]]
        layers = [each for each in network._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 0.0
        network(self.prepare(images.astype(np.float32)), training=True)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def architecture(name: str) -> Architecture:
    """Return an architecture by its name, however it is written: "mobilenet-v2" is "MobileNetV2".

    Raises
    ------
    SettingsError
        There is none of this name.
    """
    known = _known()
    plain = name.lower().replace("-", "").replace("_", "")
    if plain not in known:
        names = sorted(each.name for each in known.values())
        raise SettingsError("architecture", name, f"must be one of {', '.join(names)}")
    return known[plain]


def _known() -> dict[str, Architecture]:
    import keras

    found: dict[str, Architecture] = {}
    for module in vars(keras.applications).values():
        if not isinstance(module, ModuleType) or not hasattr(module, "preprocess_input"):
            continue
        for name, value in vars(module).items():
            if name[0].isupper() and callable(value):
                found[name.lower()] = Architecture(name, value, module.preprocess_input)
    return found


@contextmanager
def _same_chance() -> Iterator[None]:
    """Let Keras draw the same first weights in every process: it takes the seeds of layers from `random`."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)
