"""Texts and images as queries: by the encoder that made the rows' vectors, and by no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lsh_core.errors import ModelMismatchError, SettingsError
from lsh_core.search.live_build import ResolvedBuild
from lsh_core.sources.encoded_by import EncodedBy
from lsh_core.sources.failures import judged

if TYPE_CHECKING:
    from lsh_core.features.encoder import Encoder

Image = bytes | str | Path
"""The bytes of an image file, or its path."""
_ARGUMENT = {"text": "text_query", "image": "image"}


class QueryEncoder:
    """Makes queries of texts and images. May be shared between threads.

    TensorFlow is imported with the first of them, not before.

    Parameters
    ----------
    weights
        Where the encoder's weights are on this machine; default: where they were when the vectors were made.
    encoder
        The encoder itself, for one that is not registered: what an index names is only looked up among registered ones.
    """

    def __init__(self, weights: str | None = None, encoder: Encoder | None = None) -> None:
        self._weights, self._encoder = weights, encoder

    def of_text(self, build: ResolvedBuild, text: str) -> npt.NDArray[np.float32]:
        """Return the vector of a text, (d,), as it stands: without the template that rows went through.

        Raises
        ------
        SettingsError
            The build does not say which encoder made its vectors, or that encodes no texts; or the text is empty.
        ModelMismatchError
            The encoder that was found is not the one that made the vectors.
        """
        if not text.strip():
            raise SettingsError("text_query", text, "is empty")
        return _only(self._for(build, "text").encode([text]))

    def of_image(self, build: ResolvedBuild, image: Image) -> npt.NDArray[np.float32]:
        """Return the vector of an image, (d,); raises as `of_text`, and `ImageError` for what is no image."""
        from lsh_core.features.decoding import ImageDecoder

        encoder = self._for(build, "image")
        return _only(encoder.encode(ImageDecoder.of(encoder).decode(_content(image))[np.newaxis]))

    def _for(self, build: ResolvedBuild, modality: str) -> Encoder:
        """Return the encoder of the build, which encodes `modality`."""
        from lsh_core.features.registry import worker_encoder
        from lsh_core.features.specification import EncoderSpec

        if build.field.encoder is None:
            reason = f"index {build.index} does not say what made its vectors: index what `airlsh features` wrote"
            raise SettingsError(_ARGUMENT[modality], None, reason)
        made_by = EncodedBy(**build.field.encoder)
        encoder = self._encoder
        if encoder is None:
            spec = EncoderSpec.from_json(made_by.spec)
            # How many go through the network at once, and where it runs, is a matter of the machine.
            here = replace(spec, weights=self._weights or spec.weights, device="auto", batch_size=None)
            encoder = worker_encoder(here)
        if encoder.fingerprint != made_by.fingerprint:
            found = f"encoder {encoder.name} {encoder.fingerprint[:12]}"
            raise ModelMismatchError(f"vectors of encoder {made_by}", found, f"index {build.index}")
        if modality not in encoder.modalities:
            takes = " and ".join(sorted(encoder.modalities))
            raise SettingsError(_ARGUMENT[modality], None, f"encoder {made_by} of index {build.index} takes {takes}")
        return encoder


def _only(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    (vector,) = vectors
    return np.asarray(vector, np.float32)


def _content(image: Image) -> bytes:
    if isinstance(image, bytes):
        return image
    with judged(str(image), "cannot be read", local=True):
        return Path(image).read_bytes()
