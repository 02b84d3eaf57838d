"""The images that Rekognition accepts, with the exceptions that its documentation names for others.

Limits: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

import io
import warnings

from PIL import Image, UnidentifiedImageError

from labelwatch.local.rekognition_api import ServiceError

# Pillow warns of very large pictures; `_check_sides` refuses them.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

MAX_BYTES_IN_S3 = 15 * 1024 * 1024
MAX_BYTES_IN_REQUEST = 4 * 1024 * 1024
MIN_SIDE = 64
MAX_SIDE = 4096
MAX_ASPECT = 20


def open_image(content: bytes, max_bytes: int) -> Image.Image:
    """The image of these bytes; raises ServiceError as Rekognition would where it cannot process them."""
    if len(content) > max_bytes:
        raise ServiceError("ImageTooLargeException", f"Image size of {len(content)} bytes is over {max_bytes}.")
    try:
        image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
        _check_sides(*image.size)
        image.load()
    except Image.DecompressionBombError:
        raise ServiceError("ImageTooLargeException", "The image has too many pixels.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise ServiceError("InvalidImageFormatException", "Request has invalid image format.") from None
    return image


def _check_sides(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise ServiceError("ImageTooLargeException", f"A side of {max(width, height)} pixels is over {MAX_SIDE}.")
    if min(width, height) < MIN_SIDE:
        raise ServiceError("InvalidParameterException", f"A side of {min(width, height)} pixels is under {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ServiceError("InvalidParameterException", f"{width} x {height} pixels is longer than {MAX_ASPECT}:1.")
