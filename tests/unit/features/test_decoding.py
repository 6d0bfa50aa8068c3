"""Bytes of every kind become pixels, or one reason why not."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from lsh_core.errors import ImageError
from lsh_core.features import decoding
from lsh_core.features.decoding import ImageDecoder, as_rgb

SMALL = ImageDecoder(8, 8)


def written(image: Image.Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def plain(mode: str, colour: Any, size: tuple[int, int] = (12, 12)) -> Image.Image:
    return Image.new(mode, size, colour)


def landscape(width: int = 300, height: int = 200) -> Image.Image:
    """A smooth picture that is different at every end."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    waves = 127 + 127 * np.sin(across / 40) * np.cos(down / 30)
    return Image.fromarray(np.stack([across, down, waves], axis=2).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    whole = struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + whole + struct.pack(">I", 2**20) + b"IDAT"


GREY16 = Image.fromarray(np.full((12, 12), 0x80FF, dtype=np.uint16))
TURNED_PALETTE = plain("RGB", (200, 30, 40)).convert("P", palette=Image.Palette.ADAPTIVE)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (written(plain("RGB", (200, 30, 40)), "JPEG", quality=95), (200, 30, 40)),
        (written(plain("L", 77), "JPEG"), (77, 77, 77)),
        (written(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0)),
        (written(plain("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (written(plain("RGB", (200, 30, 40)), "WEBP", lossless=True), (200, 30, 40)),
        (written(plain("RGBA", (200, 30, 40, 0)), "WEBP", lossless=True, exact=True), (255, 255, 255)),
        (written(plain("RGB", (200, 30, 40)), "BMP"), (200, 30, 40)),
        (written(plain("1", 1), "PNG"), (255, 255, 255)),
        (written(plain("L", 77), "PNG"), (77, 77, 77)),
        (written(plain("LA", (77, 255)), "PNG"), (77, 77, 77)),
        (written(plain("LA", (77, 0)), "PNG"), (255, 255, 255)),
        (written(plain("RGBA", (0, 0, 0, 51)), "PNG"), (204, 204, 204)),
        (written(plain("RGB", (9, 9, 9)), "PNG", transparency=(9, 9, 9)), (255, 255, 255)),
        (written(TURNED_PALETTE, "PNG"), (200, 30, 40)),
        (written(TURNED_PALETTE, "PNG", transparency=TURNED_PALETTE.getpixel((0, 0))), (255, 255, 255)),
        (written(GREY16, "PNG"), (128, 128, 128)),
        (written(GREY16, "TIFF"), (128, 128, 128)),
        (written(plain("I", 0x80FF), "TIFF"), (128, 128, 128)),
    ],
    ids=lambda value: None if isinstance(value, bytes) else "-".join(map(str, value)),
)
def test_every_mode_becomes_red_green_blue_over_white(data: bytes, colour: tuple[int, int, int]) -> None:
    pixels = SMALL.decode(data)
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - colour).max() <= 3


def test_floats_are_stretched_between_the_least_and_the_largest() -> None:
    values = np.repeat(np.linspace(-1, 3, 8, dtype=np.float32)[:, np.newaxis], 8, axis=1)
    pixels = SMALL.decode(written(Image.fromarray(values), "TIFF"))
    assert pixels[:, 0, 0].tolist() == [0, 36, 73, 109, 146, 182, 219, 255]
    broken = Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32))
    with pytest.raises(ImageError, match="not numbers"):
        SMALL.decode(written(broken, "TIFF"))


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [plain("P", 0), plain("P", 0)]
    frames[0].putpalette([10, 200, 30] * 256)
    frames[1].putpalette([200, 10, 30] * 256)
    for kind in ("GIF", "WEBP"):
        whole = [frame.convert("RGB") for frame in frames]
        data = written(whole[0], kind, save_all=True, append_images=whole[1:])
        assert np.abs(SMALL.decode(data).astype(int) - (10, 200, 30)).max() <= 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_it_is_turned_as_its_exif_says(kind: str, orientation: int, fit: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(landscape(), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    decoder = ImageDecoder(40, 60, fit=fit)
    expected = decoder.decode(written(upright, "PNG"))
    assert np.abs(decoder.decode(data).astype(int) - expected).mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow warns of it; the picture is whole.
def test_an_exif_that_is_broken_spoils_no_picture() -> None:
    data = written(landscape(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff broken")
    assert SMALL.decode(data).shape == (8, 8, 3)


def of_mode(mode: str) -> Image.Image:
    """A picture of 100 x 70 in a mode, transparent here and there where the mode can be."""
    picture = landscape(100, 70)
    if mode == "RGBA":
        picture.putalpha(picture.getchannel(2))
        return picture
    if mode in ("I", "F", "I;16"):
        grey = np.asarray(picture)[:, :, 2].astype(np.float32)
        return Image.fromarray({"I": grey.astype(np.int32) * 999, "F": grey / 7, "I;16": grey.astype(np.uint16)}[mode])
    return picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I", "F", "I;16"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_an_image_in_bands_is_what_it_would_be_as_a_whole(monkeypatch: pytest.MonkeyPatch, mode: str, fit: str) -> None:
    data = written(of_mode(mode), "TIFF" if mode in ("CMYK", "I", "F") else "PNG")
    rgb = as_rgb(Image.open(io.BytesIO(data)))
    box = (0, 0, 100, 70) if fit == "squash" else (15, 0, 85, 70)
    sampling = Image.Resampling.BILINEAR if fit == "squash" else Image.Resampling.BICUBIC
    expected = np.asarray(rgb.resize((8, 8), sampling, box=box, reducing_gap=2.0))
    monkeypatch.setattr(decoding, "_BAND_PIXELS", 900)
    difference = np.abs(ImageDecoder(8, 8, fit=fit).decode(data).astype(int) - expected)
    assert difference.max() <= (0 if fit == "squash" else 12)
    assert difference.mean() <= 2


def test_no_more_than_a_band_is_converted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    convert = decoding._band_as_rgb
    monkeypatch.setattr(decoding, "_BAND_PIXELS", 900)
    monkeypatch.setattr(
        decoding, "_band_as_rgb", lambda band, span: sizes.append(band.width * band.height) or convert(band, span)
    )
    SMALL.decode(written(of_mode("RGBA"), "PNG"))
    assert max(sizes) <= 900
    assert sum(sizes) == 100 * 70


def test_big_images_are_decoded_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BIG_PIXELS", 1_000)
    at_once, most = [0], {}
    whole = ImageDecoder._pixels

    def slow(self: ImageDecoder, image: Image.Image) -> Any:
        at_once[0] += 1
        most[image.width] = max(most.get(image.width, 0), at_once[0])
        time.sleep(0.02)
        at_once[0] -= 1
        return whole(self, image)

    monkeypatch.setattr(ImageDecoder, "_pixels", slow)
    for side in (40, 20):
        data = written(plain("RGB", 0, (side, side)), "PNG")
        with ThreadPoolExecutor(4) as threads:
            assert len(list(threads.map(SMALL.decode, [data] * 8))) == 8
    assert most[40] == 1
    assert most[20] > 1


@pytest.mark.parametrize("size", [(3000, 2000), (299, 201), (64, 64)])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_a_jpeg_that_is_shrunk_as_it_is_read_looks_the_same(size: tuple[int, int], fit: str) -> None:
    picture = landscape(*size)
    decoder = ImageDecoder(64, 64, fit=fit)
    quick = decoder.decode(written(picture, "JPEG", quality=95))
    whole = decoder.decode(written(picture, "PNG"))
    assert np.abs(quick.astype(int) - whole).mean() < 2.5


def test_squash_keeps_the_ends_and_crop_the_middle() -> None:
    stripes = np.zeros((30, 90, 3), dtype=np.uint8)
    stripes[:, :30, 0] = stripes[:, 30:60, 1] = stripes[:, 60:, 2] = 255
    data = written(Image.fromarray(stripes), "PNG")
    squashed = ImageDecoder(9, 9).decode(data)
    assert squashed[4, [0, 4, 8]].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert (ImageDecoder(30, 30, fit="crop").decode(data) == [0, 255, 0]).all()


def test_pixels_of_the_right_size_are_not_touched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for fit in ("squash", "crop"):
        assert (ImageDecoder(8, 8, fit=fit).decode(written(Image.fromarray(noise), "PNG")) == noise).all()


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (1, 1)])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_a_hair_is_an_image_too(size: tuple[int, int], fit: str) -> None:
    pixels = ImageDecoder(224, 224, fit=fit).decode(written(plain("RGB", (1, 2, 3), size), "PNG"))
    assert (pixels == [1, 2, 3]).all()


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (9_500, 9_500), (2**31 - 1, 1), (9_000, 9_000)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(ImageError, match="has too many pixels"):
        SMALL.decode(png_header(width, height))


def test_the_limit_of_pixels_is_a_setting() -> None:
    data = written(plain("RGB", 0, (100, 100)), "PNG")
    assert ImageDecoder(8, 8, max_pixels=10_000).decode(data).shape == (8, 8, 3)
    with pytest.raises(ImageError, match="100 x 100 are 10000, 9999 are allowed"):
        ImageDecoder(8, 8, max_pixels=9_999).decode(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>404 Not Found</html>", "is no image that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image that can be read"),
        (b"\x89PNG\r\n\x1a\n", "is no image"),
        (png_header(8, 8), "cannot be decoded"),
        (png_header(0, 8), "is no image"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as refused:
        SMALL.decode(data)
    assert "\n" not in refused.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_an_image_that_breaks_off_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    data = written(noise, kind)
    assert ImageDecoder(8, 8).decode(data).shape == (8, 8, 3)
    with pytest.raises(ImageError, match=r"cannot be decoded|is no image"):
        SMALL.decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_no_damage_raises_anything_else(kind: str) -> None:
    data = written(landscape(30, 20), kind)
    chance = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(data[: int(chance.integers(1, len(data) + 1))])
        for place in chance.integers(0, len(damaged), size=3):
            damaged[place] = int(chance.integers(256))
        try:
            assert SMALL.decode(bytes(damaged)).shape == (8, 8, 3)
        except ImageError:
            refused += 1
    assert refused > 10


def test_a_decoder_fits_its_encoder_and_travels() -> None:
    class Encoder:
        name, image_size, image_fit = "e", (3, 4), "crop"

    decoder = ImageDecoder.of(Encoder(), max_pixels=7)  # type: ignore[arg-type]
    assert decoder == ImageDecoder(3, 4, fit="crop", max_pixels=7)
    assert pickle.loads(pickle.dumps(decoder)) == decoder
    Encoder.image_size = None  # type: ignore[assignment]
    with pytest.raises(ImageError, match="takes no images"):
        ImageDecoder.of(Encoder())  # type: ignore[arg-type]
