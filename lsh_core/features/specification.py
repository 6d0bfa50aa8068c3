"""Specification of an encoder: all settings that make it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from lsh_core.errors import SettingsError
from lsh_core.redaction import redact

Device = Literal["auto", "cpu", "gpu"]
Precision = Literal["float32", "float16", "bfloat16"]
PixelRange = Literal["0..255", "0..1", "-1..1"]
NO_PATHS = frozenset({"imagenet", "none"})
"""Words for weights that are never paths, even if a folder has that name."""


@dataclass(frozen=True)
class EncoderSpec:
    """Settings of one encoder. It can be pickled, and converts to and from JSON.

    None stands for the default of the encoder.

    Attributes
    ----------
    encoder
        "text", "image", "clip", the name of an entry point, or "module:factory".
    weights
        A folder, a file, the name of a preset, "imagenet" or "none".
    template
        Text: the columns that make up a row's text, such as "{id}: {description}".
    max_tokens
        Text: maximum of tokens, the first and last marks included; longer texts are cut.
    architecture
        Image: an architecture of Keras, such as "MobileNetV2"; without it `weights` names a custom model.
    image_size
        Image: (height, width) in pixels.
    pixels
        Image, custom models: the range of the values of a pixel.
    batch_size
        Rows per batch.
    device
        "auto" is the GPU if there is one.
    precision
        Number format of the network; vectors are float32.
    options
        Options of a custom encoder; JSON values.
    """

    encoder: str
    weights: str | None = None
    template: str | None = None
    max_tokens: int | None = None
    architecture: str | None = None
    image_size: tuple[int, int] | None = None
    pixels: PixelRange | None = None
    batch_size: int | None = None
    device: Device = "auto"
    precision: Precision = "float32"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the bounds; raise :class:`SettingsError` for values that no encoder takes."""
        for name in ("device", "precision", "pixels"):
            allowed, value = _CHOICES[name], getattr(self, name)
            if value not in allowed and not (name == "pixels" and value is None):
                raise SettingsError(name, value, f"must be one of {', '.join(allowed)}")
        minima = {"max_tokens": 3, "batch_size": 1}
        for name, bound in minima.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < bound):
                raise SettingsError(name, value, f"must be a number from {bound} on")
        sides = (1, 1) if self.image_size is None else self.image_size
        if len(sides) != 2 or not all(isinstance(side, int) and side >= 1 for side in sides):
            raise SettingsError("image_size", self.image_size, "must be a height and a width in pixels")

    def to_json(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults, as JSON values."""
        document: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value is not None and value != {}:
                document[each.name] = list(value) if isinstance(value, tuple) else value
        return document

    def to_record(self) -> dict[str, Any]:
        """Return `to_json` without secrets, as it is stored with the vectors.

        Weights of a custom encoder may be a URL with a password or a token. To make such an encoder again, the caller
        must name its weights.
        """
        weights = None if self.weights is None else redact(self.weights)
        return dataclasses.replace(self, weights=weights).to_json()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EncoderSpec:
        """Return the specification of `to_json`; raise :class:`SettingsError` for other values."""
        known = {each.name for each in dataclasses.fields(cls)}
        for name in document:
            if name not in known:
                raise SettingsError(name, document[name], "is no setting of an encoder")
        if not isinstance(document.get("encoder"), str):
            raise SettingsError("encoder", document.get("encoder"), "must be given")
        values = dict(document)
        if values.get("image_size") is not None:
            values["image_size"] = tuple(values["image_size"])
        return cls(**values)


def _choices() -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(EncoderSpec)
    return {
        "device": get_args(hints["device"]),
        "precision": get_args(hints["precision"]),
        "pixels": get_args(get_args(hints["pixels"])[0]),
    }


_CHOICES = _choices()
