"""Encodes texts and images as queries, only by the encoder of the index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsh_core.errors import EncoderError, ImageError, ModelMismatchError, SettingsError
from lsh_core.search.query_images import Image, image_bytes
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.sources.encoder_info import EncoderInfo

if TYPE_CHECKING:
    from lsh_core.features.encoder import Batch, Encoder
    from lsh_core.features.specification import EncoderSpec


class QueryEncoder:
    """Encodes texts and images as query vectors. May be shared between threads.

    TensorFlow is imported on first use.

    Parameters
    ----------
    weights
        Location of the encoder's weights on this machine; default: their location when the vectors were made.
    encoder
        An unregistered encoder; the name in an index is only looked up among registered encoders.

    Examples
    --------
    >>> from lsh_core import QueryEncoder, VectorIndex
    >>> index = VectorIndex("packages", "http://127.0.0.1:9200", encoder=QueryEncoder("MINILM"))
    >>> result = index.search(text="program to view pictures", k=3)
    """

    def __init__(self, weights: str | None = None, encoder: Encoder | None = None) -> None:
        self._weights, self._encoder = weights, encoder

    def of_text(self, build: SearchableBuild, text: str) -> npt.NDArray[np.float32]:
        """Return the vector of a text, (d,), without applying the template of rows.

        Raises
        ------
        SettingsError
            The build names no encoder, its encoder takes no texts, or the text is empty.
        ModelMismatchError
            The encoder on this machine is not the one that made the vectors.
        EncoderError
            The encoder cannot be made here, or cannot encode this text.
        """
        if not text.strip():
            raise SettingsError("text", text, "is empty")
        return _encoded(self._for(build, "text", text), [text])

    def of_image(self, build: SearchableBuild, image: Image) -> npt.NDArray[np.float32]:
        """Return the vector of an image, (d,).

        Raises
        ------
        ImageError
            The value is not an image, exceeds the size limit, or its file does not exist; the message names the path.
        InputError
            As `of_text`.
        """
        from lsh_core.features.decoding import ImageDecoder

        name = f"{len(image):,} bytes" if isinstance(image, bytes) else str(image)
        encoder = self._for(build, "image", name)
        content = image_bytes(image)
        try:
            pixels = ImageDecoder.of(encoder).decode(content)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error
        return _encoded(encoder, pixels[np.newaxis])

    def _for(self, build: SearchableBuild, modality: str, asked: str) -> Encoder:
        """Return the encoder of the build for `modality`; errors name the request `asked`."""
        from lsh_core.features.specification import EncoderSpec

        if build.field.encoder is None:
            reason = f"index {build.index} does not say what made its vectors: index what `airlsh features` wrote"
            raise SettingsError(modality, asked, reason)
        made_by = EncoderInfo(**build.field.encoder)
        encoder = self._encoder
        if encoder is None:
            spec = EncoderSpec.from_json(made_by.spec)
            # Batch size and device depend on the machine.
            here = replace(spec, weights=self._weights or spec.weights, device="auto", batch_size=None)
            encoder = _registered(here)
        if encoder.fingerprint != made_by.fingerprint:
            found = f"encoder {encoder.name} {encoder.fingerprint[:12]}"
            raise ModelMismatchError(f"vectors of encoder {made_by}", found, f"index {build.index}")
        if modality not in encoder.modalities:
            takes = " and ".join(sorted(encoder.modalities))
            raise SettingsError(modality, asked, f"encoder {made_by} of index {build.index} takes {takes}")
        return encoder


def _registered(spec: EncoderSpec) -> Encoder:
    from lsh_core.features.registry import worker_encoder

    try:
        return worker_encoder(spec)
    except SettingsError as error:
        if error.setting == "encoder":
            error.add_note(f"Or search from Python: QueryEncoder(encoder=...) takes {spec.encoder} itself.")
        raise


def _encoded(encoder: Encoder, batch: Batch) -> npt.NDArray[np.float32]:
    """Return the vector of the one row of `batch`, (d,)."""
    from lsh_core.features.encoding import encode_rows

    _, vectors, refused = encode_rows(encoder, batch)
    for _, reason in refused.values():
        raise EncoderError(encoder.name, reason)
    return np.asarray(vectors[0], np.float32)
