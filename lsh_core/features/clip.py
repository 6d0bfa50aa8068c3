"""CLIP encoder of texts and images into one space [1]_.

References
----------
.. [1] A. Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from lsh_core.errors import SettingsError, WeightsError
from lsh_core.features import decoding
from lsh_core.features.batches import Batches
from lsh_core.features.decoding import Fit
from lsh_core.features.devices import calculating_in, device_for, run_on, tensorflow
from lsh_core.features.encoder import Batch, Float32Array
from lsh_core.features.image import checked_images
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.template import TextTemplate
from lsh_core.features.text import checked_texts
from lsh_core.features.tokens import Tokens, run_by_length
from lsh_core.features.weights import deciding, fingerprint_of, loading
from lsh_core.tensorflow_log import suppress_startup_log

CHOICES = (
    "the folder of a preset that keras_hub has saved",
    "the name of a preset of keras_hub such as clip_vit_base_patch32, where the network allows it",
    "hf://OWNER/MODEL or kaggle://OWNER/MODEL of one in keras_hub's format, where the network allows it",
)
BATCH_SIZE = 16
GPU_BATCH_SIZE = 128
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Mean and deviation of red, green and blue in the original networks, for presets without a scale."""


class ClipEncoder:
    """Encodes texts or images as vectors of unit length in one space.

    See :class:`lsh_core.features.encoder.Encoder`.
    """

    name = "clip"
    metric = "cosine"
    modalities = frozenset({"text", "image"})

    def __init__(
        self, backbone: Any, tokens: Tokens, pixels: Pixels, *, device: str, batches: Batches, fingerprint: str
    ) -> None:
        self._backbone, self._tokens, self._pixels = backbone, tokens, pixels
        self._device, self._batches = device, batches
        self.fingerprint = fingerprint
        self.dims = int(backbone.projection_dim)
        height, width = backbone.vision_encoder.image_shape[:2]
        self.image_size: tuple[int, int] = (height, width)
        self.image_fit: Fit = pixels.fit
        tf = tensorflow()
        texts, images = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, height, width, 3], tf.uint8)
        self._of_texts = tf.function(self._text, input_signature=[texts], autograph=False)
        self._of_images = tf.function(self._image, input_signature=[images], autograph=False)

    @property
    def batch_size(self) -> int:
        """Rows per batch, as far as the memory of the device allows."""
        return self._batches.size

    def encode(self, batch: Batch) -> Float32Array:
        """Encode texts, or images of `image_size`.

        Returns
        -------
        (n, dims) float32

        Raises
        ------
        EncoderError
            Neither texts nor images of this size.
        DeviceMemoryError
            Not even one fits the device's memory.
        """
        if isinstance(batch, np.ndarray):
            images = checked_images(self.name, batch, self.image_size)
            return self._batches.run(
                len(images), self.dims, lambda part: run_on(self._device, self._of_images, images[part])
            )
        forward = partial(run_on, self._device, self._of_texts)
        return run_by_length(self._tokens, checked_texts(self.name, batch), self._batches, self.dims, forward)

    def _text(self, tokens: Any) -> Any:
        # Tokens after the end of a text are ignored: each token attends only to earlier ones.
        return _unit(self._backbone.get_text_embeddings(tokens))

    def _image(self, images: Any) -> Any:
        tf = tensorflow()
        return _unit(self._backbone.get_vision_embeddings(self._pixels.scaled(tf.cast(images, tf.float32))))


class Pixels:
    """Size and scale of the images of a preset.

    Parameters
    ----------
    converter
        Image converter of the preset, from keras_hub, or None.
    """

    def __init__(self, converter: Any) -> None:
        deviation = np.array(_DEVIATION, dtype=np.float32)
        scale = 1 / (255 * deviation) if converter is None else converter.scale
        offset = -np.array(_MEAN, dtype=np.float32) / deviation if converter is None else converter.offset
        self._scale = np.asarray(1 if scale is None else scale, dtype=np.float32)
        self._offset = np.asarray(0 if offset is None else offset, dtype=np.float32)
        self.fit: Fit = "crop" if converter is None or converter.crop_to_aspect_ratio else "squash"

    def scaled(self, images: Any) -> Any:
        """Return pixels of 0 to 255 in the scale of the network."""
        return images * self._scale + self._offset

    def facts(self) -> dict[str, Any]:
        """Return the facts that decide the numbers."""
        return {"scale": self._scale.tolist(), "offset": self._offset.tolist(), **decoding.facts(self.fit)}


def make_clip_encoder(spec: EncoderSpec) -> ClipEncoder:
    """Make the CLIP encoder of `spec`.

    Raises
    ------
    WeightsError
        No weights are named, or they are missing, or cannot be fetched or read.
    SettingsError
        The device does not exist, the model has fewer positions than tokens, or the template is invalid.
    """
    if spec.weights in (None, "none", "imagenet"):
        raise WeightsError("clip", str(spec.weights).lower(), "CLIP needs a trained network", CHOICES)
    device = device_for(spec.device)
    template = TextTemplate.parse(spec.template).canonical if spec.template is not None else None
    weights = str(spec.weights)
    with calculating_in(spec.precision), tensorflow().device(device), loading("clip", weights, CHOICES):
        backbone, preprocessor = _loaded(weights)
    tokens = Tokens(
        preprocessor.tokenizer, _max_tokens(spec.max_tokens, backbone, preprocessor), lowercase=preprocessor.to_lower
    )
    pixels = Pixels(preprocessor.image_converter)
    facts = {
        "family": "clip",
        "version": 1,
        "network": deciding(backbone.get_config()),
        "tokens": tokens.facts(),
        "pixels": pixels.facts(),
        "unit": True,
        "template": template,
        "precision": spec.precision,
    }
    size = spec.batch_size or (GPU_BATCH_SIZE if "GPU" in device else BATCH_SIZE)
    return ClipEncoder(
        backbone,
        tokens,
        pixels,
        device=device,
        batches=Batches(size, device),
        fingerprint=fingerprint_of(facts, backbone.weights),
    )


def _loaded(weights: str) -> tuple[Any, Any]:
    with suppress_startup_log():
        import keras_hub

    backbone = keras_hub.models.Backbone.from_preset(weights)
    if not isinstance(backbone, keras_hub.models.CLIPBackbone):
        raise TypeError(f"this is a {type(backbone).__name__}, not a CLIPBackbone")
    return backbone, keras_hub.models.CLIPPreprocessor.from_preset(weights)


def _max_tokens(asked: int | None, backbone: Any, preprocessor: Any) -> int:
    positions = int(backbone.text_encoder.max_sequence_length)
    if asked is not None and asked > positions:
        raise SettingsError("max_tokens", asked, f"the model has {positions} positions")
    return asked or min(positions, int(preprocessor.sequence_length or positions))


def _unit(vectors: Any) -> Any:
    tf = tensorflow()
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=1)
