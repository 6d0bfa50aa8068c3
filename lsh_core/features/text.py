"""Text encoder: BERT and its family.

The vector of a text is the mean of its token vectors, or its first token vector if the model says so, scaled to unit
length (Reimers and Gurevych, Sentence-BERT, 2019, section 3).

On one core, batches of a few dozen texts of similar length are fastest; each batch is as wide as its longest text.
`tf.function` is traced once, for any number and length of texts. (Figures: docs/decisions/features.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from lsh_core.errors import EncoderError, SettingsError, WeightsError
from lsh_core.features.batches import Batches
from lsh_core.features.devices import calculating_in, device_for, run_on, tensorflow
from lsh_core.features.encoder import Batch, Float32Array
from lsh_core.features.model_config_files import Pooling, pooling_of, read_side_file, side_file
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.template import TextTemplate
from lsh_core.features.tokens import Tokens, run_by_length
from lsh_core.features.weights import deciding, fingerprint_of, loading
from lsh_core.tensorflow_log import suppress_startup_log

CHOICES = (
    "a folder with config.json, model.safetensors and vocab.txt, as Hugging Face and keras_hub write them",
    "hf://OWNER/MODEL, where the network allows it",
    "the name of a preset of keras_hub such as bert_base_en_uncased, where the network allows it",
)
BATCH_SIZE = 32
GPU_BATCH_SIZE = 256
FAMILY = frozenset(
    {"BertBackbone", "DistilBertBackbone", "RobertaBackbone", "XLMRobertaBackbone", "AlbertBackbone", "ElectraBackbone"}
)
_MODEL_TYPES = ("albert", "bert", "distilbert", "electra", "roberta", "xlm-roberta")
"""Names of Hugging Face in config.json."""


class TextEncoder:
    """Encodes texts as vectors of unit length. See :class:`lsh_core.features.encoder.Encoder`."""

    name = "text"
    metric = "cosine"
    modalities = frozenset({"text"})
    image_size: tuple[int, int] | None = None

    def __init__(
        self, backbone: Any, tokens: Tokens, *, pooling: Pooling, device: str, batches: Batches, fingerprint: str
    ) -> None:
        self._backbone, self._tokens, self._pooling = backbone, tokens, pooling
        self._device, self._batches = device, batches
        self.fingerprint = fingerprint
        self.dims = int(backbone.hidden_dim)
        tf = tensorflow()
        signature = [tf.TensorSpec([None, None], tf.int32)]
        # AutoGraph would rewrite Python code needlessly, and print the environment if it fails.
        self._network = tf.function(self._forward, input_signature=signature, autograph=False)

    @property
    def batch_size(self) -> int:
        """Rows per batch, as far as the memory of the device allows."""
        return self._batches.size

    def encode(self, batch: Batch) -> Float32Array:
        """Encode texts.

        Returns
        -------
        (n, dims) float32

        Raises
        ------
        EncoderError
            The batch is not texts.
        DeviceMemoryError
            Not even one text fits the device's memory.
        """
        forward = partial(run_on, self._device, self._network)
        return run_by_length(self._tokens, checked_texts(self.name, batch), self._batches, self.dims, forward)

    def _forward(self, tokens: Any) -> Any:
        tf = tensorflow()
        mask = tf.cast(tf.not_equal(tokens, self._tokens.padding), tf.int32)
        inputs = {"token_ids": tokens, "padding_mask": mask}
        if "segment_ids" in self._backbone.input:
            inputs["segment_ids"] = tf.zeros_like(tokens)
        answer = self._backbone(inputs, training=False)
        states = tf.cast(answer["sequence_output"] if isinstance(answer, dict) else answer, tf.float32)
        if self._pooling == "cls":
            return tf.math.l2_normalize(states[:, 0], axis=1)
        weight = tf.cast(mask, tf.float32)[:, :, tf.newaxis]
        return tf.math.l2_normalize(tf.reduce_sum(states * weight, 1) / tf.reduce_sum(weight, 1), axis=1)


def make_text_encoder(spec: EncoderSpec) -> TextEncoder:
    """Make the text encoder of `spec`.

    Raises
    ------
    WeightsError
        No weights are named, or they are missing, or cannot be fetched or read.
    SettingsError
        The device does not exist, the model has fewer positions than tokens, or the template is invalid.
    """
    if spec.weights in (None, "none", "imagenet"):
        raise WeightsError("text", str(spec.weights).lower(), "texts need a trained network", CHOICES)
    device = device_for(spec.device)
    weights = str(spec.weights)
    template = TextTemplate.parse(spec.template).canonical if spec.template is not None else None
    with calculating_in(spec.precision), tensorflow().device(device), loading("text", weights, CHOICES):
        backbone, tokenizer = _loaded(weights)
        max_tokens = _max_tokens(spec.max_tokens, weights, int(backbone.max_sequence_length))
        pooling = pooling_of(weights)
    tokens = Tokens(tokenizer, max_tokens)
    facts = {
        "family": "text",
        "version": 1,
        "network": {"class": type(backbone).__name__, "config": deciding(backbone.get_config())},
        "tokens": tokens.facts(),
        "pooling": pooling,
        "unit": True,
        "template": template,
        "precision": spec.precision,
    }
    size = spec.batch_size or (GPU_BATCH_SIZE if "GPU" in device else BATCH_SIZE)
    return TextEncoder(
        backbone,
        tokens,
        pooling=pooling,
        device=device,
        batches=Batches(size, device),
        fingerprint=fingerprint_of(facts, backbone.weights),
    )


def checked_texts(encoder: str, batch: Batch) -> Sequence[str]:
    """Return the batch if it holds texts; raise :class:`EncoderError` otherwise."""
    if isinstance(batch, np.ndarray | str):
        raise EncoderError(encoder, f"was given {'images' if isinstance(batch, np.ndarray) else 'one text'}, not texts")
    for place, text in enumerate(batch):
        if not isinstance(text, str):
            raise EncoderError(encoder, f"text {place} is a {type(text).__name__}")
    return batch


def _loaded(weights: str) -> tuple[Any, Any]:
    with suppress_startup_log():
        import keras_hub

    model_type = read_side_file(weights, "config.json").get("model_type")
    if model_type is not None and model_type not in _MODEL_TYPES:
        known = ", ".join(_MODEL_TYPES)
        reason = f"is no network of the BERT family: its model_type is {model_type!r}, not one of {known}"
        raise WeightsError("text", weights, reason, CHOICES)
    backbone = keras_hub.models.Backbone.from_preset(weights)
    kind = type(backbone).__name__
    if kind not in FAMILY:
        raise ValueError(f"this is a {kind}, not one of {', '.join(sorted(FAMILY))}")
    vocabulary = side_file(weights, "vocab.txt") if kind == "BertBackbone" else None
    if vocabulary is not None and not _says_case(weights):
        tokens = vocabulary.read_text("utf-8").split("\n")
        small = not any(token != token.lower() for token in tokens if not token.startswith("["))
        return backbone, keras_hub.models.BertTokenizer(vocabulary=str(vocabulary), lowercase=small)
    return backbone, keras_hub.models.Tokenizer.from_preset(weights)


def _says_case(weights: str) -> bool:
    """Return whether the model states if its tokens are lower case; otherwise the vocabulary shows it."""
    said = read_side_file(weights, "tokenizer_config.json")
    return "do_lower_case" in said or "XLMRoberta" in str(said.get("tokenizer_class"))


def _max_tokens(asked: int | None, weights: str, positions: int) -> int:
    if asked is not None:
        if asked > positions:
            raise SettingsError("max_tokens", asked, f"the model has {positions} positions")
        return asked
    said = read_side_file(weights, "sentence_bert_config.json").get("max_seq_length")
    return min(said, positions) if isinstance(said, int) and said >= 3 else positions
