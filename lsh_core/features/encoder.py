"""Protocol of an encoder of texts, images or both."""

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
    """Encodes texts or images, one vector each. May be shared between threads.

    A custom encoder needs only these attributes; see `lsh_core.features.registry` for its registration. An encoder with
    an invalid attribute is refused. Two attributes are optional: ``image_fit`` (see `lsh_core.features.decoding`;
    default "squash"), and ``batch_size``, the rows per call, so that it gets whole batches.

    Attributes
    ----------
    name
        Family, or registered name.
    fingerprint
        SHA-256 in hexadecimal over everything that decides the numbers: architecture, the content of the weights,
        tokenizer, pooling, length of texts, preprocessing of images, template, precision; never batch size, device or
        path.
    dims
        Components of a vector.
    metric
        Metric that its vectors are made for, as in `lsh_core.metrics`.
    modalities
        Kinds of input: "text", "image" or both.
    image_size
        (height, width) of decoded images; None if it takes no images.
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

        The batch may have any size: the encoder cuts it into batches that its device can take.

        Returns
        -------
        (n, dims) float32
            One row per text or image, in their order.

        Raises
        ------
        EncoderError
            The batch is not what the encoder takes, such as images of another size.
        DeviceMemoryError
            Not even one row fits the device's memory.
        """
        ...
