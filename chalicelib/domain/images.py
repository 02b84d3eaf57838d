"""An uploaded image, and the event notification of it."""

import re
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.domain.text import printable
from chalicelib.domain.tokens import CLIENT

# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_IMAGE_BYTES = 15 * 1024 * 1024

# Checked where a message is read: S3 knows no other name, and a very long one would fit into no alert.
type BucketName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,255}\Z")]


# The client's own prefix, under which a presigned upload puts an image; else the first folder of the key.
_SENDER = re.compile(rf"uploads/({CLIENT})/|([^/]+)/")
# A presigned upload's key, with the file name after its unguessable part (domain/uploads.py).
_PRESIGNED_KEY = re.compile(rf"uploads/{CLIENT}/[0-9-]{{10}}/[a-z2-7]{{16}}-(.+)", re.DOTALL)


class ObjectCreated(Struct, frozen=True):
    """An object by its event notification: its key, decoded, and its version where there are versions.

    Only a backfill differs from the defaults: `notify` is whether people may be notified, `force` whether the model
    analyses an image whose prediction is stored already.
    """

    bucket: str
    key: str
    version_id: str | None = None
    notify: bool = True
    force: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ImageReference(Struct, frozen=True, kw_only=True):
    """An object and its version, all of it from HeadObject, so that every path to it gives the same reference."""

    bucket: BucketName
    key: Annotated[str, Meta(min_length=1, max_length=1024)]
    version_id: str | None
    etag: str
    size: int
    content_type: str
    metadata: dict[str, str]
    uploaded_at: datetime

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def source(self) -> str:
        """Who sent the image: the client of the upload token, else the first folder of the key, else the bucket.

        It is printable, so that people can type it where they filter by it.
        """
        return source_of(self.bucket, self.key)

    @property
    def file_name(self) -> str:
        """The name of the file, as its sender knows it."""
        return file_name_of(self.key)


def source_of(bucket: str, key: str) -> str:
    """The source of an image with this key in this bucket."""
    sender = _SENDER.match(key)
    return printable(sender[1] or sender[2]) if sender else bucket


def file_name_of(key: str) -> str:
    """The last part of the key, without what a presigned upload puts before the file's name."""
    presigned = _PRESIGNED_KEY.fullmatch(key)
    return presigned[1] if presigned else key.rstrip("/").rpartition("/")[2] or key


def is_folder_marker(key: str, size: int | None) -> bool:
    """Whether the object is no image but the empty object that the S3 console creates for a folder."""
    return key.endswith("/") and size == 0
