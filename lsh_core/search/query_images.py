"""Loads the image of a query from bytes or a local path."""

from __future__ import annotations

import os
from pathlib import Path

Image = bytes | str | Path
"""The bytes of an image file, or its path."""


def image_bytes(image: Image) -> bytes:
    """Return the bytes of an image; a path must be a regular file of bounded size.

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
