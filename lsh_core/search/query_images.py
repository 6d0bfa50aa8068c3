"""Images of queries: bytes, or a path on this machine."""

from __future__ import annotations

import os
from pathlib import Path

Image = bytes | str | Path
"""The bytes of an image file, or its path."""


def image_bytes(image: Image) -> bytes:
    """Return the bytes of an image, by the rule for images of rows: a regular file of a bounded size.

    Raises
    ------
    ImageError
        The image is too large, or its file cannot be read.
    """
    from lsh_core.features.image_loading import Pointer, load_image

    if isinstance(image, bytes):
        return load_image(image, base="", places=())
    path = os.path.abspath(image)
    return load_image(Pointer(path), base="", places=(path,))
