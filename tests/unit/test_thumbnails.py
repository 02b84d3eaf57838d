"""The thumbnails of the report: read from any object, and never more than pixels."""

import io
import random
from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chalicelib.domain.images import MAX_IMAGE_BYTES
from chalicelib.domain.predictions import BoundingBox, Label
from labelwatch.report import thumbnails
from labelwatch.report.thumbnails import Thumbnail, images_of, read_thumbnails
from tests.support import sample_images
from tests.support.fake_account import client_error

ROW = {
    "prediction_id": "a", "bucket": "images", "image": "leaf.jpg", "version_id": None, "label": "rust",
    "confidence": 97.0, "box_left": 0.1, "box_top": 0.2, "box_width": 0.3, "box_height": 0.4,
}  # fmt: skip
NO_BOX = dict.fromkeys(("box_left", "box_top", "box_width", "box_height"))


class FakeS3:
    """Contents or errors by key, and the requests."""

    def __init__(self, **objects: bytes | Exception) -> None:
        self.objects = objects
        self.requests: list[dict[str, str]] = []
        self.length: int | None = None

    def get_object(self, **request: str) -> dict[str, Any]:
        self.requests.append(request)
        content = self.objects[request["Key"]]
        if isinstance(content, Exception):
            raise content
        length = len(content) if self.length is None else self.length
        return {"Body": io.BytesIO(content), "ContentLength": length}


def read(s3: Any, *keys: str, **changes: Any) -> list[Thumbnail]:
    return read_thumbnails(s3, images_of([ROW | {"image": key, "prediction_id": key} | changes for key in keys]))


def opened(jpeg: bytes | None) -> Image.Image:
    assert jpeg
    return Image.open(io.BytesIO(jpeg), formats=["JPEG"])


def problem_of(content: bytes | Exception) -> str:
    (thumbnail,) = read(FakeS3(leaf=content), "leaf")
    assert bool(thumbnail.jpeg) is not bool(thumbnail.problem)
    return thumbnail.problem


def test_the_rows_of_an_image_are_its_labels() -> None:
    rows = [ROW, ROW | NO_BOX | {"label": "smut"}, ROW | {"prediction_id": "b"}]
    box = BoundingBox(0.1, 0.2, 0.3, 0.4)
    assert [found.labels for found in images_of(rows)] == [
        [Label("rust", 97.0, box), Label("smut", 97.0)], [Label("rust", 97.0, box)],
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "small"), [((1600, 800), (320, 160)), ((90, 1800), (16, 320)), ((96, 64), (96, 64))])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_thumbnail_is_at_most_320_pixels_and_keeps_its_proportions(
    form: str, size: tuple[int, int], small: tuple[int, int]
) -> None:
    (thumbnail,) = read(FakeS3(leaf=sample_images.plain(form, size)), "leaf")
    assert opened(thumbnail.jpeg).size == small


@pytest.mark.parametrize(
    "content",
    [
        *(sample_images.plain("PNG", mode=mode) for mode in ("1", "L", "LA", "P", "RGBA")),
        sample_images.plain("JPEG", mode="CMYK"), sample_images.png_of_16_bits(), sample_images.animated("PNG"),
        sample_images.padded(1_000_000),
    ],
)  # fmt: skip
def test_any_picture_that_a_model_accepts_has_a_thumbnail(content: bytes) -> None:
    assert problem_of(content) == ""


def test_a_picture_is_upright_as_browsers_show_it() -> None:
    (thumbnail,) = read(FakeS3(leaf=sample_images.rotated()), "leaf")
    assert opened(thumbnail.jpeg).size == (96, 128)


def test_no_metadata_leaves_an_image() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "secret place"
    content = sample_images.plain(exif=exif, comment=b"secret comment", icc_profile=b"secret profile")
    (thumbnail,) = read(FakeS3(leaf=content), "leaf")
    assert b"secret" in content
    assert b"secret" not in (thumbnail.jpeg or b"")
    assert not opened(thumbnail.jpeg).getexif()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (client_error("NoSuchKey"), thumbnails.DELETED),
        (client_error("NoSuchVersion"), thumbnails.DELETED),
        (client_error("MethodNotAllowed"), thumbnails.DELETED),
        (client_error("AccessDenied"), thumbnails.ACCESS_DENIED),
        (client_error("InvalidObjectState"), "The image cannot be read: InvalidObjectState."),
        (ReadTimeoutError(endpoint_url="x"), "The image cannot be read: ReadTimeoutError."),
        (b"", thumbnails.UNREADABLE),
        (b"no picture", thumbnails.UNREADABLE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", thumbnails.UNREADABLE),
        (sample_images.animated("GIF"), thumbnails.UNREADABLE),
        (sample_images.truncated("JPEG", 0.5), thumbnails.UNREADABLE),
        (sample_images.truncated("PNG", 0.5), thumbnails.UNREADABLE),
    ],
    ids=str,
)
def test_an_image_without_a_thumbnail_says_why_and_stops_nothing(content: bytes | Exception, problem: str) -> None:
    assert problem_of(content) == problem


@pytest.mark.parametrize("side", [4097, 10_000, 20_000, 2**31 - 1])
def test_a_picture_with_a_very_large_size_in_its_header_is_not_decoded(side: int) -> None:
    assert problem_of(sample_images.with_header_size(side, side)) == thumbnails.TOO_LARGE


def test_a_very_large_object_is_not_read() -> None:
    s3 = FakeS3(leaf=sample_images.plain())
    s3.length = MAX_IMAGE_BYTES + 1
    assert read(s3, "leaf")[0].problem == thumbnails.TOO_LARGE


@given(st.binary(), st.sampled_from(["JPEG", "PNG"]), st.integers(0, 600))
def test_no_bytes_stop_the_report(patch: bytes, form: str, position: int) -> None:
    content = sample_images.noise(form)
    problem_of(content[:position] + patch + content[position + len(patch) :])


def test_the_version_of_the_prediction_is_read() -> None:
    s3 = FakeS3(leaf=sample_images.plain())
    read(s3, "leaf", version_id="v1")
    read(s3, "leaf")
    assert s3.requests == [
        {"Bucket": "images", "Key": "leaf", "VersionId": "v1"}, {"Bucket": "images", "Key": "leaf"},
    ]  # fmt: skip


def waiting_for_others(parties: int) -> Callable[..., dict[str, Any]]:
    """An answer that comes only once so many requests are open."""
    barrier = Barrier(parties)

    def get_object(**_: str) -> dict[str, Any]:
        barrier.wait(timeout=5)
        return {"Body": io.BytesIO(b""), "ContentLength": 0}

    return get_object


def test_images_are_read_in_parallel_and_counted_in_order() -> None:
    s3 = FakeS3()
    s3.get_object = waiting_for_others(4)  # type: ignore[method-assign]
    counts: list[int] = []
    keys = [f"{number}" for number in range(8)]
    found = images_of([ROW | {"image": key, "prediction_id": key} for key in keys])
    read = read_thumbnails(s3, found, counts.append)
    assert [thumbnail.found.row["image"] for thumbnail in read] == keys
    assert counts == list(range(1, 9))


def test_24_thumbnails_of_noise_are_under_2_and_a_half_megabytes() -> None:
    size = (thumbnails.SIDE, thumbnails.SIDE)
    content = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(0).randbytes(3 * size[0] * size[1])).save(content, "PNG")
    jpeg = thumbnails.shrunk(content.getvalue())
    assert 24 * len(jpeg) * 4 / 3 < 2_500_000
