"""The protocol of an encoder: it makes vectors of texts, images or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
"""(n, height, width, 3), red, green, blue from 0 to 255."""
Batch = Sequence[str] | Images


class Encoder(Protocol):
    """Texts or images in, one vector each out. Safe to use from several threads at once.

    A user's own encoder needs these and nothing else; how it is registered is told in `lsh_core.features.registry`. One
    of which any of these cannot be true is refused. It may say ``image_fit`` (see `lsh_core.features.decoding`; default
    "squash") and ``batch_size``, the rows that it takes at once, so that it is given whole batches.

    Attributes
    ----------
    name
        The family, or the name that it is registered by.
    fingerprint
        SHA-256 in hexadecimal over everything that decides the numbers: architecture, the content of the weights,
        tokenizer, pooling, length of texts, preprocessing of images, template, precision; never batch size, device or
        path.
    dims
        Components of a vector.
    metric
        The distance that its vectors are meant for, as in `lsh_core.metrics`.
    modalities
        What it encodes: "text", "image" or both.
    image_size
        The (height, width) that images are to be decoded to; None if it takes none.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dims(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def modalities(self) -> frozenset[str]: ...
    @property
    def image_size(self) -> tuple[int, int] | None: ...

    def encode(self, batch: Batch) -> Float32Array:
        """Encode texts, or images of `image_size`.

        Any number of them: the encoder itself cuts them into batches that its device can take.

        Returns
        -------
        (n, dims) float32
            One row a text or image, in their order.

        Raises
        ------
        EncoderError
            Texts for an encoder of images, images of another size, and the like.
        DeviceMemoryError
            Not even one row fits the device's memory.
        """
        ...
