"""An uploaded image, and what an event notification says of it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_IMAGE_BYTES = 15 * 1024 * 1024


# Held to where a message is read: no other can be asked for, and one without end would fit into no alert.
type BucketName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,255}\Z")]


class ObjectCreated(Struct, frozen=True):
    """What an event notification says of an object: its place, decoded, and its version where there are versions.

    Only a backfill says otherwise than the defaults: `notify` is whether people may be told of what is seen there,
    `force` whether the model is to be asked even where its prediction is known.
    """

    bucket: str
    key: str
    version_id: str | None = None
    notify: bool = True
    force: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def is_folder_marker(key: str, size: int | None) -> bool:
    """Whether this is the empty object that the S3 console makes for a folder."""
    return key.endswith("/") and size == 0


class ImageReference(Struct, frozen=True, kw_only=True):
    """Which object, and which version of it: all of it as HeadObject tells it, so that every path gives the same."""

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
