"""Pictures as people, cameras and accidents make them."""

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


def drawn(form: str = "JPEG", size: tuple[int, int] = (96, 96), mode: str = "RGB", **more: Any) -> bytes:
    """A picture of one colour."""
    return _saved(Image.new("RGB", size, RED).convert(mode), form, **more)


def noise(form: str) -> bytes:
    """A picture of some weight, so that cutting it short takes some of it away."""
    pixels = random.Random(0).randbytes(96 * 96 * 3)
    return _saved(Image.frombytes("RGB", (96, 96), pixels), form)


def cut(form: str, share: float) -> bytes:
    """The first part of a picture."""
    whole = noise(form)
    return whole[: int(len(whole) * share)]


def of_16_bits() -> bytes:
    """A PNG with 16 bits for each shade of grey."""
    return _saved(Image.new("I;16", (96, 96), 40_000), "PNG")


def animated(form: str) -> bytes:
    """Two pictures in one file."""
    first, second = (Image.new("RGB", (96, 96), RED) for _ in range(2))
    ImageDraw.Draw(second).ellipse((20, 20, 60, 60), "black")
    return _saved(first, form, save_all=True, append_images=[second], duration=100)


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header says that it is larger."""
    whole = drawn("PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


def rotated() -> bytes:
    """A JPEG that says of itself that it lies on its side, as cameras do."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return drawn(size=(128, 96), exif=exif)


def heavy(size: int = MAX_BYTES_IN_S3) -> bytes:
    """A JPEG of so many bytes: decoders do not look at what comes after its end."""
    return drawn().ljust(size, b"\0")


def _saved(image: Image.Image, form: str, **more: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **more)
    return content.getvalue()
