"""Reads uploads, queues, dead letters, rows and alerts for an audit, and changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.adapters.dynamodb import RECORD_RETENTION
from chalicelib.adapters.s3 import SUPPRESSED
from chalicelib.domain.images import is_folder_marker
from labelwatch.audit.compare import DeadLetterImage, Found, StoredPrediction, Uploaded
from labelwatch.dead_letters import (
    OUTPUTS,
    DeadLetter,
    DeadLetterQueue,
    PurgedImage,
    PurgedImages,
    dead_letter_queues,
    receiving,
)
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.lifetimes import expired_before
from labelwatch.shared.queues import ReceiveOptions, queue_depth

ROWS_AT_ONCE = 10
# `labelwatch dead-letters` and other consumers hide dead letters for a while.
_RECEIVE_OPTIONS = ReceiveOptions(hidden_seconds=120, patience_seconds=10)
# DynamoDB's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_ITEMS = 100
_ROW_PREFIX = "predictions/"
_OUTPUTS = ("InputBucket", "OutputBucket", "TableName")
# The records of the first day expire in the course of today.
_ALERT_RECORDS_RETENTION = RECORD_RETENTION - timedelta(days=1)


class Scope(Struct, frozen=True):
    """The uploads of this day (UTC) with this prefix; without a day, of all days."""

    day: date | None = None
    prefix: str = ""

    def includes(self, key: str, day: date) -> bool:
        """Whether an image with this key and day of upload is in the scope."""
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
    """Reads the stack with these outputs; `warn` receives a sentence where dead letters could not be released."""

    def __init__(
        self,
        s3: Any,  # noqa: ANN401 - the client of any endpoint
        sqs: Any,  # noqa: ANN401 - the same
        dynamodb: Any,  # noqa: ANN401 - the same
        outputs: dict[str, str],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._s3 = s3
        self._sqs = sqs
        self._dynamodb = dynamodb
        self._outputs = outputs
        self._warn = warn
        # The day of each key's newest version or delete marker, in the input bucket.
        self._newest: dict[str, date] = {}

    def read(self, scope: Scope) -> Found:
        """Reads in three phases. Their order keeps the audit right while images move through the pipeline.

        First the keys of the existing rows: only these can be rows without an upload, since newer rows may have a newer
        upload. Then the uploads and the queues. Last the dead letters, rows and alerts. Messages move forwards only, so
        each upload is found at its end, or was counted in progress.
        """
        rows_before = set(self._row_keys(scope))

        today = datetime.now(UTC).date()
        self._newest.clear()
        uploads = list(self._uploads(scope))
        images, predictions = dead_letter_queues(self._outputs)
        queued = sum(queue_depth(self._sqs, queue.source_url) for queue in (images, predictions))

        image_dead_letters, hidden_images = self._dead_letters(images)
        prediction_dead_letters, hidden_predictions = self._dead_letters(predictions)
        purged = PurgedImages(self._dynamodb, self._outputs["TableName"]).all()
        rows = self._rows(scope, uploads)
        stored = _without_later_uploads(filter(None, rows.values()), scope, rows_before, uploads)
        return Found(
            uploads=uploads,
            predictions=stored,
            image_dead_letters=image_dead_letters,
            prediction_dead_letters=prediction_dead_letters,
            images_purged=_purged_from(images, purged),
            predictions_purged=_purged_from(predictions, purged),
            notified=self._notified(prediction.id for prediction in stored if prediction.of_interest),
            alerts_since=today - _ALERT_RECORDS_RETENTION,
            in_progress=queued + hidden_images + hidden_predictions,
            unreadable_rows=[key for key, prediction in rows.items() if not prediction],
            rows_since=expired_before(self._outputs, "PredictionDays", today),
            expired_images=self._of_expired_images(stored, today),
        )

    def _of_expired_images(self, predictions: Iterable[StoredPrediction], today: date) -> frozenset[str]:
        """The row keys of predictions whose image S3 may have deleted by its age, or as an older version.

        S3 deletes an older version a day after its replacement or deletion. A delete marker stays for ImageDays: until
        the age of its image explains that the image is missing.
        """
        images_since = expired_before(self._outputs, "ImageDays", today)
        if images_since == date.min:
            return frozenset()
        return frozenset(
            prediction.row_key
            for prediction in predictions
            if prediction.bucket == self._outputs["InputBucket"]
            and (prediction.day < images_since or prediction.day <= self._newest.get(prediction.key, date.min))
        )

    def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
        buckets = [self._outputs["InputBucket"], self._outputs.get("ExistingBucketName")]
        pages = self._s3.get_paginator("list_object_versions")
        for bucket in filter(None, buckets):
            for page in pages.paginate(Bucket=bucket, Prefix=scope.prefix):
                if bucket == self._outputs["InputBucket"]:
                    self._note_newest(page)
                for version in page.get("Versions", []):
                    key, day = version["Key"], version["LastModified"].date()
                    if scope.includes(key, day) and not is_folder_marker(key, version["Size"]):
                        yield Uploaded(bucket, key, _version_id(version["VersionId"]), version["ETag"].strip('"'), day)

    def _note_newest(self, page: Mapping[str, Any]) -> None:
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            key, day = version["Key"], version["LastModified"].date()
            self._newest[key] = max(self._newest.get(key, date.min), day)

    def _row_keys(self, scope: Scope) -> list[str]:
        prefix = f"{_ROW_PREFIX}dt={scope.day}/" if scope.day else _ROW_PREFIX
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._outputs["OutputBucket"], Prefix=prefix)
        objects = [row_object for page in pages for row_object in page.get("Contents", [])]
        return [
            row_object["Key"] for row_object in objects if not is_folder_marker(row_object["Key"], row_object["Size"])
        ]

    def _rows(self, scope: Scope, uploads: Sequence[Uploaded]) -> dict[str, StoredPrediction | None]:
        """The prediction for each row key on the uploads' days; None where the object holds no rows."""
        days = {None, scope.day} | {image.day for image in uploads}
        keys = [key for key in self._row_keys(scope) if _day_of(key) in days]
        with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
            return dict(zip(keys, pool.map(self._stored, keys), strict=True))

    def _stored(self, row_key: str) -> StoredPrediction | None:
        """None where the key has no day, or the object holds no rows."""
        day = _day_of(row_key)
        if not day:
            return None
        response = self._s3.get_object(Bucket=self._outputs["OutputBucket"], Key=row_key)
        try:
            rows = _decode_rows(response["Body"].read())
            first = rows[0]
        except (ValueError, IndexError, RecursionError):
            return None
        return StoredPrediction(
            id=first.prediction_id,
            row_key=row_key,
            bucket=first.bucket,
            key=first.image,
            version_id=_version_id(first.version_id),
            etag=first.etag,
            day=day,
            of_interest=any(row.of_interest for row in rows),
            suppressed=response["Metadata"].items() >= SUPPRESSED.items(),
        )

    def _dead_letters(self, queue: DeadLetterQueue) -> tuple[list[DeadLetterImage], int]:
        """The images of the queue's dead letters, and about how many more are in flight with other consumers."""
        with receiving(self._sqs, [queue], self._warn, _RECEIVE_OPTIONS) as reader:
            reader.receive_all()
            images = [image for dead_letter in reader.dead_letters for image in _images_of(dead_letter)]
            return images, reader.hidden_by_others

    def _notified(self, ids: Iterable[str]) -> frozenset[str]:
        """The ids whose alert is recorded as published."""
        notified: set[str] = set()
        table = self._outputs["TableName"]
        for batch in batched(dict.fromkeys(ids), MAX_ITEMS):
            keys = [{"kind": {"S": "alert"}, "id": {"S": prediction_id}} for prediction_id in batch]
            request = {table: {"Keys": keys, "ConsistentRead": True}}
            while request:
                response = self._dynamodb.batch_get_item(RequestItems=request)
                items = response["Responses"].get(table, [])
                notified |= {item["id"]["S"] for item in items if "completed_at" in item}
                request = response.get("UnprocessedKeys")
        return frozenset(notified)


def from_stack(account: Account, stack_name: str, warn: Callable[[str], None]) -> Reader:
    """The reader of this stack; raises UserError where the stack or one of its outputs does not exist."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, *_OUTPUTS, *OUTPUTS)
    return Reader(account.client("s3"), account.client("sqs"), account.client("dynamodb"), outputs, warn)


def _without_later_uploads(
    predictions: Iterable[StoredPrediction], scope: Scope, rows_before: set[str], uploads: Sequence[Uploaded]
) -> list[StoredPrediction]:
    """The predictions of the scope, without images that were uploaded after the uploads were read."""
    contents = {(image.bucket, image.key, image.etag) for image in uploads}
    return [
        prediction
        for prediction in predictions
        if scope.includes(prediction.key, prediction.day)
        and (prediction.row_key in rows_before or (prediction.bucket, prediction.key, prediction.etag) in contents)
    ]


def _day_of(row_key: str) -> date | None:
    """The day in a row's key; None for another key."""
    with suppress(ValueError):
        return date.fromisoformat(row_key.removeprefix(f"{_ROW_PREFIX}dt=").partition("/")[0])
    return None


def _images_of(dead_letter: DeadLetter) -> list[DeadLetterImage]:
    """The images in a dead letter; none in a message of another producer."""
    until = dead_letter.sent_at.astimezone(UTC).date()
    return [
        DeadLetterImage(image.bucket, image.key, _version_id(image.version_id), dead_letter.reason, until)
        for image in dead_letter.images
    ]


def _purged_from(queue: DeadLetterQueue, purged: Iterable[PurgedImage]) -> list[DeadLetterImage]:
    return [
        DeadLetterImage(image.bucket, image.key, _version_id(image.version_id), f"{image.reason} (purged)", image.day)
        for image in purged
        if image.queue == queue.name
    ]


def _version_id(version_id: str | None) -> str | None:
    """The version from before versioning is `null` in some responses of S3 and missing in others."""
    return None if version_id == "null" else version_id
