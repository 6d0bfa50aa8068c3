"""Architectures of Keras, with their sizes and preparation of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from lsh_core.choices import choice_of
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
"""Training height and width of the published weights, if not `DEFAULT_SIZE`; Keras does not provide them."""
DEFAULT_SIZE = 224
_MIN_SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""Smallest height and width that leaves output after all layers, if not `_DEFAULT_MIN_SIZE`; Keras names it only in
errors.
"""
_DEFAULT_MIN_SIZE = 32
_SQUARE = 16
_PIXELS_TO_LEARN_FROM = 2 * DEFAULT_SIZE**2
_MAX_TO_LEARN_FROM = 32


@dataclass(frozen=True)
class Architecture:
    """A network of `keras.applications`.

    Attributes
    ----------
    name
        Name in Keras' spelling.
    prepare
        Converts pixels of 0 to 255 to the scale that the network was trained with.
    """

    name: str
    constructor: Callable[..., Any]
    prepare: Callable[[Any], Any]

    @property
    def size(self) -> int:
        """Height and width of its images."""
        return _SIZES.get(self.name, DEFAULT_SIZE)

    @property
    def min_size(self) -> int:
        """Smallest height and width that it takes."""
        return _MIN_SIZES.get(self.name, _DEFAULT_MIN_SIZE)

    def build(self, size: tuple[int, int], weights: str | None) -> Any:
        """Build the network, ending in global average pooling of its last feature map.

        Parameters
        ----------
        size
            (height, width).
        weights
            "imagenet", a file, or None. With None weights are drawn at random, the same bits in every process and on
            every machine; the statistics of normalisation layers are the same but for rounding.

        Returns
        -------
        keras.Model, (n, height, width, 3) to (n, d)
        """
        published = weights if weights == "imagenet" else None
        network = self.constructor(include_top=False, weights=published, input_shape=(*size, 3), pooling="avg")
        if weights is None:
            _draw(network)
            self._steady(network, size)
        elif published is None:
            network.load_weights(weights)
        return network

    def _steady(self, network: Any, size: tuple[int, int]) -> None:
        """Let normalisation layers learn their statistics from coloured squares.

        Each layer of an untrained network scales its numbers: with the weights that Keras draws, MobileNet's output is
        about 1e-20, and its square underflows float32. Dropout is off meanwhile.
        """
        import keras

        # Small images need a larger batch, as their last feature maps have one or a few pixels.
        count = min(max(2, _PIXELS_TO_LEARN_FROM // math.prod(size)), _MAX_TO_LEARN_FROM)
        squares = np.random.default_rng(0).integers(0, 256, (count, *(-(-side // _SQUARE) for side in size), 3))
        images = squares.repeat(_SQUARE, axis=1).repeat(_SQUARE, axis=2)[:, : size[0], : size[1]]
        layers = network._flatten_layers()
        learning = [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
        if not learning:
            return
        changed = [(each, "momentum", each.momentum) for each in learning]
        changed += [(each, "rate", each.rate) for each in layers if isinstance(each, keras.layers.Dropout)]
        for layer, setting, _ in changed:
            setattr(layer, setting, 0.0)
        network(self.prepare(images.astype(np.float32)), training=True)
        for layer, setting, value in changed:
            setattr(layer, setting, value)


def architecture(name: str) -> Architecture:
    """Return an architecture by its name in any spelling: "mobilenet-v2" is "MobileNetV2".

    Raises
    ------
    SettingsError
        No architecture has this name.
    """
    known = _known()
    plain = name.lower().replace("-", "").replace("_", "")
    if plain not in known:
        names = sorted(each.name for each in known.values())
        raise SettingsError("architecture", name, f"is no architecture: {choice_of(name, names)}")
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


def _draw(network: Any) -> None:
    """Draw the random weights again, from a generator that no other thread can reach.

    Keras takes its seeds from `random`, which all threads of a process share. Numbers are uniform, with the width that
    preserves magnitudes from layer to layer (He et al., Delving Deep into Rectifiers, 2015, section 2.2). They are
    products of fractions of 24 bits, so that every machine rounds them alike. Biases and scales keep Keras' initial
    values.
    """
    chance = np.random.default_rng(0)
    for variable in network.trainable_weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            width = np.float32(math.sqrt(6 / _inputs(shape)))
            variable.assign((chance.random(shape, dtype=np.float32) * 2 - 1) * width)


def _inputs(shape: tuple[int, ...]) -> int:
    """Return the fan-in of a layer; if the last side is 1, each channel has its own."""
    return math.prod(shape[:-2] if len(shape) == 4 and shape[-1] == 1 else shape[:-1])
