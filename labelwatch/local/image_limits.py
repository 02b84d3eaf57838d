"""What Rekognition takes as an image, with the exceptions that its documentation names.

Limits: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

import io
import warnings

from PIL import Image, UnidentifiedImageError

from labelwatch.local.rekognition_api import Refusal

# Pillow warns of pictures that are very large; here they are refused, by their sides.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

MAX_BYTES_IN_S3 = 15 * 1024 * 1024
MAX_BYTES_IN_A_CALL = 4 * 1024 * 1024
MIN_SIDE = 64
MAX_SIDE = 4096
MAX_ASPECT = 20


def opened(content: bytes, most_bytes: int) -> Image.Image:
    """The image of these bytes; raises Refusal as Rekognition would for what it cannot take."""
    if len(content) > most_bytes:
        raise Refusal("ImageTooLargeException", f"Image size of {len(content)} bytes is over {most_bytes}.")
    try:
        image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
        _check_sides(*image.size)
        image.load()
    except Image.DecompressionBombError:
        raise Refusal("ImageTooLargeException", "The image has too many pixels.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise Refusal("InvalidImageFormatException", "Request has invalid image format.") from None
    return image


def _check_sides(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise Refusal("ImageTooLargeException", f"A side of {max(width, height)} pixels is over {MAX_SIDE}.")
    if min(width, height) < MIN_SIDE:
        raise Refusal("InvalidParameterException", f"A side of {min(width, height)} pixels is under {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Refusal("InvalidParameterException", f"{width} x {height} pixels is longer than {MAX_ASPECT}:1.")
