"""Images as people, cameras and broken transfers make them."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw

from labelwatch.local.image_limits import MAX_BYTES_IN_S3
from tests.support.pipeline import COLOURS

RED = COLOURS["leaf-smut"]
ORIENTATION = 0x0112


def plain(form: str = "JPEG", size: tuple[int, int] = (96, 96), mode: str = "RGB", **more: Any) -> bytes:
    """A picture of one colour."""
    return _saved(Image.new("RGB", size, RED).convert(mode), form, **more)


def noise(form: str) -> bytes:
    """A picture that compresses badly, so that every part of the file has pixels."""
    pixels = random.Random(0).randbytes(96 * 96 * 3)
    return _saved(Image.frombytes("RGB", (96, 96), pixels), form)


def truncated(form: str, share: float) -> bytes:
    """The first part of a picture's bytes."""
    whole = noise(form)
    return whole[: int(len(whole) * share)]


def png_of_16_bits() -> bytes:
    """A PNG with 16 bits for each shade of grey."""
    return _saved(Image.new("I;16", (96, 96), 40_000), "PNG")


def animated(form: str) -> bytes:
    """Two pictures in one file."""
    first, second = (Image.new("RGB", (96, 96), RED) for _ in range(2))
    ImageDraw.Draw(second).ellipse((20, 20, 60, 60), "black")
    return _saved(first, form, save_all=True, append_images=[second], duration=100)


def with_header_size(width: int, height: int) -> bytes:
    """A small PNG whose header has this larger size."""
    whole = plain("PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


def rotated() -> bytes:
    """A JPEG that is turned by its EXIF orientation, as from cameras."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return plain(size=(128, 96), exif=exif)


def padded(size: int = MAX_BYTES_IN_S3) -> bytes:
    """A JPEG with bytes after its end, which decoders ignore, up to this size."""
    return plain().ljust(size, b"\0")


def _saved(image: Image.Image, form: str, **more: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **more)
    return content.getvalue()
