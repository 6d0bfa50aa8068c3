"""Decodes the bytes of an image into pixels.

Pillow reads the images. A refusal concerns one image. Every reason is one line, for the dead letter.

Only Pillow's image is in memory as a whole, with one to four bytes per pixel. It is converted to red, green and blue
over white, and shrunk, one band at a time: a PNG of 67 megapixels with alpha peaks at 276 MB, against 1,279 MB for a
conversion of the whole image.
"""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lsh_core.errors import ImageError
from lsh_core.features.encoder import Encoder, Images

if TYPE_CHECKING:
    from PIL import Image

Fit = Literal["squash", "crop"]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
"""Formats that are read. Others are refused, as Pillow starts programs or rarely used parsers for some."""
MAX_PIXELS = 2**26
"""67 megapixels: 270 MB as red, green, blue and alpha."""
BIG_PIXELS = 2**24
"""Of images with more pixels, a process decodes one at a time, for any number of threads."""
_BAND_PIXELS = 2**20
_FILTERS: dict[Fit, str] = {"squash": "BILINEAR", "crop": "BICUBIC"}
"""CLIP, EfficientNet and ConvNeXt were trained with the second. All architectures of Keras get the first by default: it
takes .8 ms for 500 x 375 pixels, the second 1.3 ms.
"""
_GAP = 2
"""An image is shrunk by a whole factor to this multiple of the wanted size, then by a better filter."""
VERSION = 1
"""Increase it with every change of the resulting pixels."""
_one_big = threading.Lock()
_ORIENTATION = 0x0112


def facts(fit: Fit) -> dict[str, Any]:
    """Return the facts that decide the pixels of an image beside its size; they decide the vectors."""
    return {"version": VERSION, "fit": fit, "filter": _FILTERS[fit], "gap": _GAP}


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes an image to the pixels that an encoder takes. It can be pickled.

    Attributes
    ----------
    height, width
        Size of the result in pixels.
    fit
        "squash" the whole image into that shape, or "crop" the excess of the longer side, half at each end.
    max_pixels
        Images with more are refused before their pixels are read.
    """

    height: int
    width: int
    fit: Fit = "squash"
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of(cls, encoder: Encoder, *, max_pixels: int = MAX_PIXELS) -> ImageDecoder:
        """Return the decoder for the `image_size` and the optional `image_fit` of `encoder`.

        Raises
        ------
        ImageError
            The encoder takes no images.
        """
        if encoder.image_size is None:
            raise ImageError(f"encoder {encoder.name} takes no images")
        return cls(*encoder.image_size, fit=getattr(encoder, "image_fit", "squash"), max_pixels=max_pixels)

    def decode(self, data: bytes) -> Images:
        """Decode one image: the first frame, turned by its EXIF orientation, over white.

        Returns
        -------
        (height, width, 3) uint8
            Red, green, blue.

        Raises
        ------
        ImageError
            The bytes are empty, not an image, truncated, or an image with too many pixels.
        """
        if not data:
            raise ImageError("is empty")
        try:
            with self._opened(data) as image, _one_big if _is_big(image) else nullcontext():
                return self._pixels(image)
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError("takes more memory than there is") from error
        # Broken files make Pillow's readers raise errors of every class, from struct.error to SyntaxError.
        except Exception as error:
            raise ImageError(f"cannot be decoded: {_first_line(error)}") from error

    def _opened(self, data: bytes) -> Image.Image:
        from PIL import Image, UnidentifiedImageError

        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise ImageError(f"is no image that can be read ({', '.join(FORMATS)})") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageError(f"has too many pixels: {_first_line(error)}") from error
        if image.width * image.height > self.max_pixels:
            raise ImageError(
                f"has too many pixels: {image.width} x {image.height} are {image.width * image.height}, "
                f"{self.max_pixels} are allowed"
            )
        return image

    def _pixels(self, image: Image.Image) -> Images:
        from PIL import Image

        turn = _turn(image)
        sideways = turn in (5, 6, 7, 8)
        height, width = (self.width, self.height) if sideways else (self.height, self.width)
        whole = (0.0, 0.0, float(image.width), float(image.height))
        box = _box(image.size, (width, height)) if self.fit == "crop" else whole
        kept = _sides(box)[0] / image.width, _sides(box)[1] / image.height
        before = image.width
        # JPEG only: an eighth, a quarter or half of the size comes straight from the coefficients.
        drafted = image.draft("RGB", (round(width / kept[0]), round(height / kept[1])))
        if drafted is not None:
            scale = drafted[1][2] / before
            box = (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)
        across, down = _sides(box)
        by = max(1, int(across / width / _GAP)), max(1, int(down / height / _GAP))
        rgb = as_rgb(image, by)
        box = (box[0] / by[0], box[1] / by[1], box[2] / by[0], box[3] / by[1])
        if rgb.size != (width, height) or box != (0.0, 0.0, float(width), float(height)):
            rgb = rgb.resize((width, height), Image.Resampling[_FILTERS[self.fit]], box=box)
        if turn in _TRANSPOSED:
            rgb = rgb.transpose(Image.Transpose(_TRANSPOSED[turn]))
        return np.asarray(rgb, dtype=np.uint8)


_TRANSPOSED = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""From EXIF's orientation to Pillow's `Transpose`, as in `ImageOps.exif_transpose`."""


def as_rgb(image: Image.Image, by: tuple[int, int] = (1, 1)) -> Image.Image:
    """Return an image of any mode as shrunk red, green and blue over white.

    Values of more than eight bits are scaled to eight: 16-bit values by their range, others by the minimum and maximum
    of the image.

    Parameters
    ----------
    by
        Pixels across and down that are averaged into one.
    """
    from PIL import Image

    image.load()
    if by == (1, 1) and image.mode == "RGB" and not image.has_transparency_data:
        return image
    span = image.getextrema() if image.mode in ("I", "F") else (0, 0)
    found = Image.new("RGB", (-(-image.width // by[0]), -(-image.height // by[1])))
    rows = max(1, _BAND_PIXELS // (image.width * by[1])) * by[1]
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        found.paste(_band_as_rgb(band, span).reduce(by), (0, top // by[1]))
    return found


def _band_as_rgb(band: Image.Image, span: tuple[Any, ...]) -> Image.Image:
    from PIL import Image

    if band.mode == "RGB" and not band.has_transparency_data:
        return band
    if band.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(band) >> 8).astype(np.uint8)).convert("RGB")
    if band.mode in ("I", "F"):
        return Image.fromarray(_as_bytes(np.asarray(band), *span)).convert("RGB")
    if band.has_transparency_data:
        above = band.convert("RGBA")
        white = Image.new("RGBA", above.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, above).convert("RGB")
    return band.convert("RGB")


def _as_bytes(values: np.ndarray[Any, Any], low: float, high: float) -> Images:
    if not (np.isfinite(values).all() and np.isfinite((low, high)).all()):
        raise ImageError("has pixels that are not numbers")
    if values.dtype.kind == "i" and low >= 0 and high <= 0xFFFF:
        return (values >> 8).astype(np.uint8)  # Pillow reads some 16-bit images as 32 bits.
    scaled = (values.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.rint(scaled).astype(np.uint8)


def _is_big(image: Image.Image) -> bool:
    return image.width * image.height > BIG_PIXELS


def _sides(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _turn(image: Image.Image) -> int:
    """Return the EXIF orientation; 1 if it is missing or cannot be read."""
    if image.format == "TIFF":
        return 1  # Pillow turns TIFF images itself.
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _box(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest centred box (left, upper, right, lower) with the shape of `wanted`, in an image of `size`."""
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    width, height = wanted[0] * scale, wanted[1] * scale
    left, upper = (size[0] - width) / 2, (size[1] - height) / 2
    return left, upper, left + width, upper + height


def _first_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0] or type(error).__name__
    return said if len(said) <= 200 else said[:199] + "…"
