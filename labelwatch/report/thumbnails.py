"""The newest images of interest as small pictures, and the boxes of their labels.

The objects come from whoever may upload: no object may stop the report, and nothing but pixels leaves an object.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image, ImageOps

from chalicelib.domain.images import MAX_IMAGE_BYTES
from chalicelib.domain.predictions import BoundingBox, Label

# Pillow only warns of large pictures. `_decoded` refuses them.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Of the longer side, in pixels.
SIDE = 320
# The largest picture that Rekognition accepts: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_PIXELS = 4096 * 4096
ACCESS_DENIED = "Access denied."
DELETED = "The image is no longer in its bucket."
TOO_LARGE = "The image is too large to show."
UNREADABLE = "The image cannot be shown."
_QUALITY = 75
_AT_ONCE = 8
_DELETED = ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed")
_PROBLEMS = {"AccessDenied": ACCESS_DENIED} | dict.fromkeys(_DELETED, DELETED)

type Row = dict[str, Any]


class Found(NamedTuple):
    """An image and its labels of interest. `row` is one of its rows."""

    row: Row
    labels: list[Label]


class Thumbnail(NamedTuple):
    """A found image as JPEG, or the reason why there is none."""

    found: Found
    jpeg: bytes | None
    problem: str = ""


def images_of(rows: Sequence[Row]) -> list[Found]:
    """The images in the rows of the query boxes_of_interest, which has one row for each label."""
    by_image = groupby(rows, key=lambda row: row["prediction_id"])
    return [
        Found(found[0], [Label(row["label"], row["confidence"], _box(row)) for row in found])
        for found in (list(group) for _, group in by_image)
    ]


def read_thumbnails(
    s3: Any,  # noqa: ANN401 - the client of any endpoint
    images: Sequence[Found],
    on_read: Callable[[int], None] = lambda _: None,
) -> list[Thumbnail]:
    """The thumbnails, in order; `on_read` is called with the number of images so far."""
    return list(_counted(images, s3, on_read))


def _counted(images: Sequence[Found], s3: Any, on_read: Callable[[int], None]) -> Iterator[Thumbnail]:  # noqa: ANN401
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for count, thumbnail in enumerate(pool.map(lambda found: _thumbnail(s3, found), images), 1):
            on_read(count)
            yield thumbnail


def _thumbnail(s3: Any, found: Found) -> Thumbnail:  # noqa: ANN401 - the client of any endpoint
    try:
        return Thumbnail(found, shrunk(_read(s3, found.row)))
    except _UnshownError as problem:
        return Thumbnail(found, None, str(problem))


class _UnshownError(Exception):
    """Raised where an image has no thumbnail: the message is for the page."""


def _read(s3: Any, row: Row) -> bytes:  # noqa: ANN401 - the client of any endpoint
    version = {"VersionId": row["version_id"]} if row["version_id"] else {}
    try:
        response = s3.get_object(Bucket=row["bucket"], Key=row["image"], **version)
        if response["ContentLength"] > MAX_IMAGE_BYTES:
            raise _UnshownError(TOO_LARGE)
        content: bytes = response["Body"].read()
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        raise _UnshownError(_PROBLEMS.get(code, f"The image cannot be read: {code}.")) from None
    except BotoCoreError as problem:
        raise _UnshownError(f"The image cannot be read: {type(problem).__name__}.") from None
    return content


def shrunk(content: bytes) -> bytes:
    """A JPEG of at most SIDE pixels a side, upright, without the metadata of the image."""
    try:
        picture = _decoded(content)
    except _UnshownError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _UnshownError(TOO_LARGE) from None
    except Exception:  # noqa: BLE001 - a decoder may raise anything for bytes that somebody made up
        raise _UnshownError(UNREADABLE) from None
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def _decoded(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        if image.width * image.height > MAX_PIXELS:  # known from the header, before any pixel is decoded
            raise _UnshownError(TOO_LARGE)
        image.thumbnail((SIDE, SIDE))
        upright = ImageOps.exif_transpose(image).convert("RGB")
    # Only the pixels: a comment, or the place where a photograph was taken, is not for the readers of the report.
    return Image.frombytes("RGB", upright.size, upright.tobytes())


def _box(row: Row) -> BoundingBox | None:
    sides = [row[f"box_{side}"] for side in ("left", "top", "width", "height")]
    return None if None in sides else BoundingBox(*sides)
