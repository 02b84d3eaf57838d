"""SQS bodies and S3 event notifications → the objects that were created.

The shape of a notification: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from typing import Annotated
from urllib.parse import unquote_plus

import msgspec
from msgspec import Meta, Raw, Struct

from chalicelib.domain.errors import Rejected
from chalicelib.domain.images import BucketName, ObjectCreated, is_folder_marker

NOT_AN_S3_EVENT = "NotAnS3Event"
# S3 puts one into a message. A million, which fit as well, would keep the function busy with parts until its end.
MAX_RECORDS = 1000


class _Body(Struct):
    records: list[Raw] | None = msgspec.field(name="Records", default=None)
    event: str | None = msgspec.field(name="Event", default=None)


class _Bucket(Struct):
    name: BucketName


class _Object(Struct, rename={"version_id": "versionId"}):
    key: Annotated[str, Meta(min_length=1, max_length=3 * 1024)]  # 1,024 bytes, of which each may be %XX
    size: int | None = None
    version_id: str | None = None


class _S3(Struct):
    bucket: _Bucket
    object: _Object


class _Options(Struct):
    notify: bool = True
    force: bool = False


# S3 sends no `labelwatch`: `labelwatch backfill` adds it, to each record, so that it stays where a body is split.
class _Record(Struct, rename={"source": "eventSource", "name": "eventName"}):
    source: str
    name: str
    s3: _S3
    labelwatch: _Options = msgspec.field(default_factory=_Options)


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_record = msgspec.json.Decoder(_Record).decode


def records(body: str) -> list[Raw]:
    """The records of an SQS body, undecoded; none for the test event that S3 sends at the start.

    Raises Rejected where the body is no S3 event notification.
    """
    try:
        content = _decode_body(body)
    except (ValueError, RecursionError) as problem:  # msgspec's own DecodeError is a ValueError, and so is bad Unicode
        raise Rejected(NOT_AN_S3_EVENT, f"The message is not an S3 event notification: {problem}") from None
    if content.records and len(content.records) > MAX_RECORDS:
        raise Rejected(NOT_AN_S3_EVENT, f"The message has {len(content.records)} records; S3 sends one")
    if content.records:
        return content.records
    if content.event == "s3:TestEvent":
        return []
    raise Rejected(NOT_AN_S3_EVENT, "The message is not an S3 event notification: no records")


def names_image(body: str) -> bool:
    """Whether a record of the SQS body is an image to analyse. Raises Rejected where none is and one is not of S3."""
    rejected: Rejected | None = None
    for record in records(body):
        try:
            if object_created(record):
                return True
        except Rejected as fault:
            rejected = fault
    if rejected:
        raise rejected
    return False


def body_of(record: Raw) -> str:
    """A body with this one record, unchanged."""
    return '{"Records":[' + bytes(record).decode() + "]}"


def object_created(record: Raw) -> ObjectCreated | None:
    """The object that was created; None where there is no image to analyse: after a removal, or for a folder marker.

    Raises Rejected where the record is not one of S3.
    """
    try:
        event = _decode_record(record)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Rejected(NOT_AN_S3_EVENT, f"The record is not an S3 record: {problem}") from None
    if event.source != "aws:s3":
        raise Rejected(NOT_AN_S3_EVENT, f"The record comes from {event.source!r}, not from 'aws:s3'")
    if not event.name.removeprefix("s3:").startswith("ObjectCreated:"):
        return None
    # The one place where a key is decoded: S3 encodes it as in a form, with + for a blank.
    key = unquote_plus(event.s3.object.key)
    if is_folder_marker(key, event.s3.object.size):
        return None
    options = event.labelwatch
    return ObjectCreated(event.s3.bucket.name, key, event.s3.object.version_id, options.notify, options.force)
