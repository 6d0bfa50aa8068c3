"""The architectures of Keras, each with its own size and preparation of pixels."""

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
"""Height and width that the published weights were trained with, where not `DEFAULT_SIZE`; Keras tells nobody."""
DEFAULT_SIZE = 224
_MIN_SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""The least height and width that the layers leave something of, where not `_DEFAULT_MIN_SIZE`; Keras tells it in errors."""
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
        return _SIZES.get(self.name, DEFAULT_SIZE)

    @property
    def min_size(self) -> int:
        """The least height and width that it takes."""
        return _MIN_SIZES.get(self.name, _DEFAULT_MIN_SIZE)

    def build(self, size: tuple[int, int], weights: str | None) -> Any:
        """Make the network down to the mean over the last map of features (global average pooling).

        Parameters
        ----------
        size
            (height, width).
        weights
            "imagenet", a file, or None: numbers drawn at random, the same bits in every process and on every machine.
            What the layers that normalise learn of them is the same but for rounding.

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
        """Let the layers that normalise learn their means from coloured squares.

        Each layer of an untrained network makes numbers smaller or larger: those of MobileNet come out at 1e-20 as
        Keras draws weights, and their squares are no float32 any more. Nothing is dropped at random meanwhile.
        """
        import keras

        # Of small images many, as the last maps have a few pixels each, or one.
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
    """Draw what Keras draws at random anew, from a generator that no other thread can reach.

    Keras takes its seeds from `random`, which all threads of a process share. Numbers are uniform, of the width that
    keeps their sizes from layer to layer (He et al., Delving Deep into Rectifiers, 2015, section 2.2): products of
    fractions of 24 bits, so that every machine rounds them alike. Biases and scales stay as Keras begins them.
    """
    chance = np.random.default_rng(0)
    for variable in network.trainable_weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            width = np.float32(math.sqrt(6 / _inputs(shape)))
            variable.assign((chance.random(shape, dtype=np.float32) * 2 - 1) * width)


def _inputs(shape: tuple[int, ...]) -> int:
    """Return how many numbers each output of a layer is made of; where the last side is 1, each channel has its own."""
    return math.prod(shape[:-2] if len(shape) == 4 and shape[-1] == 1 else shape[:-1])
