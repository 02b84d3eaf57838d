"""What an audit looks at, read from where the pipeline leaves it; nothing is taken away or changed.

The order makes it right while images come and go: what is counted as uploaded, or as on the way, has moved on at most
by the time that its end is looked for, and never back.
"""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.adapters.dynamodb import REMEMBERED
from chalicelib.adapters.s3 import SUPPRESSED
from labelwatch.audit.compare import DeadLetterImage, Found, Stored, Uploaded
from labelwatch.dead_letters.dead_letter import OUTPUTS, Box, Letter, boxes, letter
from labelwatch.dead_letters.purged import Purged, PurgedImage
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.interrupts import uninterrupted

ROWS_AT_ONCE = 10
# Dead letters are out of sight for so long, should nobody be there any more to give them back.
SECONDS_OUT_OF_SIGHT = 120
# Whoever looks at dead letters as well hides them for a while.
SECONDS_FOR_OTHER_READERS = 10
# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_ITEMS = 100
_ROWS = "predictions/"
_OUTPUTS = ("InputBucket", "OutputBucket", "TableName")
# What is remembered of the first day ends in the course of today.
_SURELY_REMEMBERED = REMEMBERED - timedelta(days=1)


class Scope(Struct, frozen=True):
    """Which uploads: those of this day (UTC), those whose keys begin so, or those of which both is true."""

    day: date | None = None
    prefix: str = ""

    def holds(self, key: str, day: date) -> bool:
        """Whether an image of this key that was uploaded on this day is meant."""
        return self.day in {None, day} and key.startswith(self.prefix)

    def __str__(self) -> str:
        of_day = f" of {self.day} (UTC)" if self.day else ""
        return f"uploads{of_day}{f' under {self.prefix}' if self.prefix else ''}"


class _Row(Struct):
    image: str
    bucket: str
    version_id: str | None
    etag: str
    of_interest: bool
    prediction_id: str


_decode_rows = msgspec.json.Decoder(_Row).decode_lines


class Reader:
    """Reads one stack, whose outputs are given."""

    def __init__(self, s3: Any, sqs: Any, dynamodb: Any, outputs: dict[str, str]) -> None:  # noqa: ANN401 - of any endpoint
        self._s3 = s3
        self._sqs = sqs
        self._dynamodb = dynamodb
        self._outputs = outputs

    def read(self, scope: Scope) -> Found:
        """All of it. Rows are looked for in the days of the uploads; those that came in the meantime do not count."""
        before = set(self._row_keys(scope))
        uploads = list(self._uploads(scope))
        days = {one.day for one in uploads} | ({scope.day} if scope.day else set())
        of_images, of_predictions = boxes(self._outputs)
        on_the_way = self._depth(of_images.source) + self._depth(of_predictions.source)
        images, unseen_images = self._dead_letters(of_images)
        predictions, unseen_predictions = self._dead_letters(of_predictions)
        purged = Purged(self._dynamodb, self._outputs["TableName"]).all()
        keys = [key for key in self._row_keys(scope) if _day_of(key) in {None, *days}]
        places = {(one.bucket, one.key, one.etag) for one in uploads}
        with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
            read = dict(zip(keys, pool.map(self._stored, keys), strict=True))
            stored = [
                one
                for one in read.values()
                if one
                and scope.holds(one.key, one.day)
                and (one.row_key in before or (one.bucket, one.key, one.etag) in places)
            ]
        return Found(
            uploads=uploads,
            predictions=stored,
            image_dead_letters=[aside for one in images for aside in _set_aside(one)],
            prediction_dead_letters=[aside for one in predictions for aside in _set_aside(one)],
            images_purged=[_purged(one) for one in purged if one.box == "images"],
            predictions_purged=[_purged(one) for one in purged if one.box == "predictions"],
            told=self._told(one.id for one in stored if one.of_interest),
            alerts_since=datetime.now(UTC).date() - _SURELY_REMEMBERED,
            on_the_way=on_the_way + unseen_images + unseen_predictions,
            unreadable=[key for key, one in read.items() if not one],
        )

    def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
        buckets = [self._outputs["InputBucket"], self._outputs.get("ExistingBucketName")]
        pages = self._s3.get_paginator("list_object_versions")
        for bucket in filter(None, buckets):
            for page in pages.paginate(Bucket=bucket, Prefix=scope.prefix):
                for one in page.get("Versions", []):
                    day = one["LastModified"].date()
                    is_folder = one["Key"].endswith("/") and one["Size"] == 0
                    if scope.holds(one["Key"], day) and not is_folder:
                        yield Uploaded(bucket, one["Key"], _version(one["VersionId"]), one["ETag"].strip('"'), day)

    def _row_keys(self, scope: Scope) -> list[str]:
        prefix = f"{_ROWS}dt={scope.day}/" if scope.day else _ROWS
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._outputs["OutputBucket"], Prefix=prefix)
        # A marker that the console makes for a folder is nothing.
        found = [one for page in pages for one in page.get("Contents", [])]
        return [one["Key"] for one in found if one["Size"] or not one["Key"].endswith("/")]

    def _stored(self, row_key: str) -> Stored | None:
        """None where the object holds no rows, or is none of a day."""
        day = _day_of(row_key)
        if not day:
            return None
        answer = self._s3.get_object(Bucket=self._outputs["OutputBucket"], Key=row_key)
        try:
            rows = _decode_rows(answer["Body"].read())
            first = rows[0]
        except (ValueError, IndexError, RecursionError):
            return None
        return Stored(
            id=first.prediction_id,
            row_key=row_key,
            bucket=first.bucket,
            key=first.image,
            version_id=_version(first.version_id),
            etag=first.etag,
            day=day,
            of_interest=any(row.of_interest for row in rows),
            quiet=answer["Metadata"].items() >= SUPPRESSED.items(),
        )

    def _depth(self, url: str) -> int:
        kinds = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _dead_letters(self, box: Box) -> tuple[list[Letter], int]:
        """Each that is there, in sight again when this returns, and how many are in other hands for now."""
        url = box.url
        seen: dict[str, Letter] = {}
        until = time.monotonic() + SECONDS_FOR_OTHER_READERS
        try:
            while True:
                with uninterrupted():  # or what is received just then could not be given back
                    new = {one.id: one for one in self._received(box)}
                    again = new.keys() & seen.keys()  # the first are back in sight: so long has it taken
                    seen |= new
                if again or (not new and (len(seen) >= self._depth(url) or time.monotonic() > until)):
                    break
        finally:
            in_other_hands = max(0, self._depth(url) - len(seen))
            self._give_back(url, list(seen.values()))
        return list(seen.values()), in_other_hands

    def _give_back(self, url: str, letters: list[Letter]) -> None:
        for few in batched(letters, 10):
            entries = [
                {"Id": str(place), "ReceiptHandle": one.receipt_handle, "VisibilityTimeout": 0}
                for place, one in enumerate(few)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def _received(self, box: Box) -> list[Letter]:
        # A wait, however short, makes SQS ask all of its servers, so that nothing means nothing.
        answer = self._sqs.receive_message(
            QueueUrl=box.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["reason"],
            MessageSystemAttributeNames=["SentTimestamp"],
            VisibilityTimeout=SECONDS_OUT_OF_SIGHT,
            WaitTimeSeconds=1,
        )
        return [letter(box, one) for one in answer.get("Messages", [])]

    def _told(self, ids: Iterable[str]) -> frozenset[str]:
        told: set[str] = set()
        for few in batched(dict.fromkeys(ids), MAX_ITEMS):
            keys = [{"kind": {"S": "alert"}, "id": {"S": one}} for one in few]
            asked = {self._outputs["TableName"]: {"Keys": keys, "ConsistentRead": True}}
            while asked:
                answer = self._dynamodb.batch_get_item(RequestItems=asked)
                items = answer["Responses"].get(self._outputs["TableName"], [])
                told |= {one["id"]["S"] for one in items if "completed_at" in one}
                asked = answer.get("UnprocessedKeys")
        return frozenset(told)


def from_stack(account: Account, stack_name: str) -> Reader:
    """The reader of this stack; raises UserError without one, or one of a version without what is read."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, *_OUTPUTS, *OUTPUTS)
    return Reader(account.client("s3"), account.client("sqs"), account.client("dynamodb"), outputs)


def _day_of(row_key: str) -> date | None:
    """None where it is no key of rows."""
    with suppress(ValueError):
        return date.fromisoformat(row_key.removeprefix(f"{_ROWS}dt=").partition("/")[0])
    return None


def _set_aside(one: Letter) -> list[DeadLetterImage]:
    """The images that it is about; none where it was never about one of the uploads."""
    until = one.sent.astimezone(UTC).date()
    return [DeadLetterImage(its.bucket, its.key, _version(its.version_id), one.reason, until) for its in one.images]


def _purged(one: PurgedImage) -> DeadLetterImage:
    return DeadLetterImage(one.bucket, one.key, _version(one.version_id), f"{one.reason} (purged)", one.day)


def _version(said: str | None) -> str | None:
    """What S3 calls null in some places and nothing in others: the version from when there were none."""
    return None if said == "null" else said
