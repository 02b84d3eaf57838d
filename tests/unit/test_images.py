"""The source of an image: who sent it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.uploads import UploadRequest, new_key
from tests.support.builders import NOW, image


@pytest.mark.parametrize(
    ("key", "source"),
    [
        ("leaf.jpg", "images"),
        ("field 7/row 12/leaf.jpg", "field 7"),
        ("/leaf.jpg", "images"),
        ("uploads/camera-north/leaf.jpg", "camera-north"),
        ("uploads/Camera North/leaf.jpg", "uploads"),
        ("uploads/leaf.jpg", "uploads"),
        ("field\n\u202e7/leaf.jpg", "field\\n\\u202e7"),
    ],
)
def test_the_source_is_the_client_else_the_first_folder_else_the_bucket(key: str, source: str) -> None:
    assert image(key).source == source


def test_the_source_of_a_presigned_upload_is_its_client() -> None:
    uploaded = image(new_key("camera-north", NOW, UploadRequest("a/b 1.jpg", "image/jpeg", 1)))
    assert (uploaded.source, uploaded.file_name) == ("camera-north", "b-1.jpg")


@given(st.text(min_size=1, max_size=200))
def test_any_key_has_a_source_that_people_can_type(key: str) -> None:
    source = image(key).source
    assert source
    assert source.isprintable()
