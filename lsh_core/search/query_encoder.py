"""Texts and images as queries: by the encoder that made the rows' vectors, and by no other."""

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
    """Makes queries of texts and images. May be shared between threads.

    TensorFlow is imported with the first of them, not before.

    Parameters
    ----------
    weights
        Where the encoder's weights are on this machine; default: where they were when the vectors were made.
    encoder
        The encoder itself, for one that is not registered: what an index names is only looked up among registered ones.

    Examples
    --------
    >>> from lsh_core import QueryEncoder, VectorIndex
    >>> index = VectorIndex("packages", "http://127.0.0.1:9200", encoder=QueryEncoder("MINILM"))
    >>> result = index.search(text="program to view pictures", k=3)
    """

    def __init__(self, weights: str | None = None, encoder: Encoder | None = None) -> None:
        self._weights, self._encoder = weights, encoder

    def of_text(self, build: SearchableBuild, text: str) -> npt.NDArray[np.float32]:
        """Return the vector of a text, (d,), as it stands: without the template that rows went through.

        Raises
        ------
        SettingsError
            The build does not say which encoder made its vectors, or that encodes no texts; or the text is empty.
        ModelMismatchError
            The encoder that was found is not the one that made the vectors.
        EncoderError
            It cannot be made here, or cannot encode this text.
        """
        if not text.strip():
            raise SettingsError("text", text, "is empty")
        return _encoded(self._for(build, "text", text), [text])

    def of_image(self, build: SearchableBuild, image: Image) -> npt.NDArray[np.float32]:
        """Return the vector of an image, (d,).

        Raises
        ------
        ImageError
            It is no image, or larger than any that is read, or no file; the path is named.
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
        """Return the encoder of the build, which encodes `modality`; errors name what is `asked`."""
        from lsh_core.features.specification import EncoderSpec

        if build.field.encoder is None:
            reason = f"index {build.index} does not say what made its vectors: index what `airlsh features` wrote"
            raise SettingsError(modality, asked, reason)
        made_by = EncoderInfo(**build.field.encoder)
        encoder = self._encoder
        if encoder is None:
            spec = EncoderSpec.from_json(made_by.spec)
            # How many go through the network at once, and where it runs, is a matter of the machine.
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
