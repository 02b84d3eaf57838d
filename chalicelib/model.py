"""The words of the product as frozen types; nothing here does I/O."""

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MOST_IMAGE_BYTES = 15 * 1024 * 1024
LONG_AGO = datetime.min.replace(tzinfo=UTC)
# Held to where a message is read: no other can be asked for, and one without end would fit into no alert.
type BucketName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,255}\Z")]


class ObjectCreated(Struct, frozen=True):
    """What an event notification says of an object: its place, decoded, and its version where there are versions.

    Only a backfill says otherwise than the defaults: `alert` is whether people may be told of what is seen there,
    `again` whether the model is to be asked even where its prediction is known.
    """

    bucket: str
    key: str
    version_id: str | None = None
    alert: bool = True
    again: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


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


class BoundingBox(Struct, frozen=True):
    """Where a label was seen, as shares (0 to 1) of the image's width and height."""

    left: float
    top: float
    width: float
    height: float


class Label(Struct, frozen=True):
    """A name with a confidence, 0 to 100, and a bounding box where the model gives one."""

    name: str
    confidence: float
    bounding_box: BoundingBox | None = None


class LabelOfInterest(Struct, frozen=True):
    """A label that somebody wants to hear of; `*` is any label. Without a threshold of its own MinConfidence counts."""

    name: str
    threshold: float | None = None


class Prediction(Struct, frozen=True, kw_only=True):
    """What the model said of one image. `min_confidence` is what the model was asked for: no label is below it.

    `alert` is whether people may be told of it; the default reads what was sent before there was such a field.
    """

    image: ImageReference
    model: str
    min_confidence: float
    labels: tuple[Label, ...]
    detected_at: datetime
    alert: bool = True

    @property
    def id(self) -> str:
        """The id of what was looked at and by which model."""
        return prediction_id(self.image.bucket, self.image.key, self.image.etag, self.model)


def prediction_id(bucket: str, key: str, etag: str, model: str) -> str:
    """32 hex digits, derived from what is looked at and by which model: a repeat overwrites, never doubles."""
    identity = json.dumps([bucket, key, etag, model])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


class Picture(Struct, frozen=True):
    """Where people can see an image: a link for anybody, None where links are turned off, and the S3 console."""

    link: str | None
    link_hours: int
    console: str


class Alert(Struct, frozen=True):
    """One message to the topic: text for people, attributes for machines and subscription filters."""

    subject: str
    text: str
    attributes: dict[str, str | float | list[str]]


class Standing(StrEnum):
    """How it stands with what is to be told once, an alert or a dead letter, when somebody asks to tell it."""

    OURS = "ours"
    BEING_TOLD = "being told"
    TOLD = "told"


class Message(Struct, frozen=True):
    """One message of a queue, and when it was sent to it; `receives` counts this time too."""

    id: str
    body: str
    receipt_handle: str
    receives: int
    sent: datetime


class Claim(Struct, frozen=True):
    """What a bearer token claims: whose it is, and the SHA-256 of its secret in hex. The secret itself is not kept."""

    client: str
    digest: str


class TokenRecord(Struct, frozen=True):
    """What is known of a client's upload token; times are UTC, None for what has not happened."""

    client: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class SignedPost(Struct, frozen=True):
    """A form that puts one object into a bucket: where to send it, and the fields that must go before the file."""

    url: str
    fields: dict[str, str]


class Ticket(Struct, frozen=True):
    """What a client gets to upload one image: the signed form, the object's key, the end (UTC), a line for a shell."""

    url: str
    fields: dict[str, str]
    key: str
    expires_at: str
    curl: str


class ModelMemory(Struct, frozen=True, kw_only=True):
    """What `keep_model` remembers from one look to the next; times are UTC.

    `started_at` is there while a run lasts that Labelwatch itself started, counted until `counted_until`; `seconds` are
    all such runs in `month`, whichever model it was.
    """

    model: str = ""
    month: str = ""
    seconds: float = 0
    started_at: datetime | None = None
    counted_until: datetime | None = None
    idle_since: datetime | None = None


class Wishes(Struct, frozen=True, kw_only=True):
    """What is wanted of the model's life; without any it is left to people. 0 minutes and 0 hours are no limit."""

    auto_start: bool = False
    idle_minutes: int = 0
    idle_stops_any: bool = False
    max_hours: int = 0
