"""What the audit reads, on moto: uploads, rows, dead letters and alerts, also while they move."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chalicelib.adapters import sqs as sqs_adapter
from chalicelib.adapters.dynamodb import RECORD_RETENTION, IdempotencyTable
from chalicelib.adapters.s3 import RowObjects
from chalicelib.domain import rows
from chalicelib.domain.errors import Rejected
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.steps.detect import encoded
from labelwatch.audit.compare import DeadLetterImage, Found, StoredPrediction, Uploaded, compare
from labelwatch.audit.read import Reader, Scope
from labelwatch.dead_letters import DeadLetterQueue, PurgedImages
from labelwatch.dead_letters.dead_letter import NOT_RECORDED, dead_letter_of
from tests.integration.conftest import REGION, TABLE
from tests.support.builders import image, message, notification, prediction, rules, s3_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SMUT = Label("leaf-smut", 95.0)
TODAY = Scope(day=datetime.now(UTC).date())


class Stack:
    """A stack's buckets, queues and table, and what the functions would write there."""

    def __init__(self, s3: S3Client, sqs: SQSClient, dynamodb: Any) -> None:
        self.s3, self.sqs, self.dynamodb = s3, sqs, dynamodb
        for bucket in ("images", "existing", "predictions"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
        queues = ("ImagesQueue", "PredictionsQueue", "ImagesDeadLetters", "PredictionsDeadLetters")
        self.outputs = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in queues}
        self.outputs |= {"InputBucket": "images", "OutputBucket": "predictions", "TableName": TABLE}
        self.warnings: list[str] = []
        self.reader = self.reader_of(Reader)

    def reader_of(self, kind: type[Reader]) -> Reader:
        return kind(self.s3, self.sqs, self.dynamodb, self.outputs, self.warnings.append)

    def upload(self, key: str, content: bytes = b"leaf", bucket: str = "images") -> Prediction:
        """The prediction that is expected of it, which is worth an alert."""
        version = self.s3.put_object(Bucket=bucket, Key=key, Body=content).get("VersionId")
        head = self.s3.head_object(Bucket=bucket, Key=key)
        reference = {"bucket": bucket, "version_id": version, "etag": head["ETag"].strip('"')}
        return prediction(SMUT, image=image(key, uploaded_at=head["LastModified"], **reference))

    def store(self, prediction: Prediction) -> None:
        content = rows.encoded(rows.rows_of(prediction, rules(("leaf-smut", None))))
        RowObjects(self.s3, "predictions").put(rows.row_key(prediction), content, notify=prediction.notify)

    def acquire(self, prediction: Prediction) -> IdempotencyTable:
        now = datetime.now(UTC)
        records = IdempotencyTable(self.dynamodb, TABLE, "alert")
        records.acquire(prediction.id, "somebody", now, now + timedelta(seconds=65))
        return records

    def notify(self, prediction: Prediction) -> None:
        self.acquire(prediction).complete(prediction.id, datetime.now(UTC))

    def send(self, queue: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.outputs[queue], MessageBody=body)


@pytest.fixture
def stack(s3: S3Client, sqs: SQSClient, dynamodb: DynamoDBClient) -> Stack:
    # Moto has one server: there is nothing to wait for.
    sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: params | {"WaitTimeSeconds": 0}
    )
    return Stack(s3, sqs, dynamodb)


def keys(found: Found) -> list[str]:
    return [image.key for image in found.uploads]


def test_each_version_of_an_object_is_an_image_and_a_folder_marker_is_none(stack: Stack) -> None:
    first, second = stack.upload("leaf.jpg", b"one"), stack.upload("leaf.jpg", b"two")
    stack.upload("folder/", b"")
    stack.upload("folder with content/")
    stack.s3.delete_object(Bucket="images", Key="leaf.jpg")  # which hides it and no more
    found = stack.reader.read(TODAY)
    assert sorted(keys(found)) == ["folder with content/", "leaf.jpg", "leaf.jpg"]
    assert {first.image.etag, second.image.etag} < {image.etag for image in found.uploads}


def test_only_the_images_of_the_scope_are_read(stack: Stack) -> None:
    for key in ("a/leaf.jpg", "b/leaf.jpg"):
        stack.store(stack.upload(key))
    under_a = stack.reader.read(Scope(prefix="a/"))
    assert (keys(under_a), [prediction.key for prediction in under_a.predictions]) == (["a/leaf.jpg"], ["a/leaf.jpg"])
    another_day = stack.reader.read(Scope(day=date(2026, 1, 1)))
    assert (another_day.uploads, another_day.predictions) == ([], [])


def test_an_existing_bucket_is_read_too_and_may_have_no_versions(stack: Stack) -> None:
    stack.outputs["ExistingBucketName"] = "existing"
    stack.upload("own.jpg")
    stack.store(stack.upload("theirs.jpg", bucket="existing"))
    found = stack.reader_of(Reader).read(TODAY)
    assert [(image.bucket, image.version_id is None) for image in found.uploads] == [
        ("images", False),
        ("existing", True),
    ]
    assert [image.key for image in compare(found).unaccounted_for] == ["own.jpg"]


def test_a_purged_image_is_accounted_for_and_one_whose_dead_letter_was_deleted_otherwise_is_not(stack: Stack) -> None:
    for key in ("purged.jpg", "deleted.jpg"):
        stack.upload(key)
    version = stack.s3.head_object(Bucket="images", Key="purged.jpg")["VersionId"]
    body = notification(s3_record("purged.jpg", object={"versionId": version}))
    attributes = {"reason": {"StringValue": "EmptyImage"}}
    dead_message = {"Body": body, "MessageId": "m", "Attributes": {}, "MessageAttributes": attributes}
    dead_letter = dead_letter_of(DeadLetterQueue("images", "url", "source"), dead_message)
    PurgedImages(stack.dynamodb, TABLE).record([dead_letter])
    verdict = compare(stack.reader.read(TODAY))
    assert verdict.reasons == {"EmptyImage (purged)": 1}
    assert [image.key for image in verdict.unaccounted_for] == ["deleted.jpg"]


def not_notified(stack: Stack) -> list[str]:
    return [prediction.key for prediction in compare(stack.reader.read(TODAY)).not_notified]


def test_a_missing_alert_is_found_among_more_than_one_call_asks_for(stack: Stack) -> None:
    predictions = [stack.upload(f"{number:03}.jpg") for number in range(101)]
    for expected in predictions:
        stack.store(expected)
    for expected in predictions[:-1]:
        stack.notify(expected)
    assert not_notified(stack) == ["100.jpg"]


def test_no_alert_is_missing_of_an_image_from_a_backfill_without_alerts(stack: Stack) -> None:
    for key, notify in (("past.jpg", False), ("new.jpg", True)):
        stack.store(msgspec.structs.replace(stack.upload(key), notify=notify))
    assert not_notified(stack) == ["new.jpg"]


@pytest.mark.parametrize("content", [b'{"image":"\xff"}', b"1", b'{"other":' + b"[" * 100_000, b""])
@pytest.mark.parametrize("key", ["predictions/note.txt", f"predictions/dt={TODAY.day}/x.json"])
def test_an_object_without_rows_is_named_whatever_its_content(stack: Stack, key: str, content: bytes) -> None:
    stack.upload("leaf.jpg")
    stack.s3.put_object(Bucket="predictions", Key=key, Body=content)
    stack.s3.put_object(Bucket="predictions", Key="predictions/", Body=b"")
    assert stack.reader.read(Scope(prefix="leaf")).unreadable_rows == [key]


def test_a_record_that_is_acquired_and_not_completed_is_no_alert(stack: Stack) -> None:
    acquired = stack.upload("leaf.jpg")
    stack.store(acquired)
    stack.acquire(acquired)
    assert not_notified(stack) == ["leaf.jpg"]


def test_no_alert_is_expected_of_a_day_of_which_some_records_may_have_expired(stack: Stack) -> None:
    first = datetime.combine(stack.reader.read(TODAY).alerts_since, time(), UTC)
    assert first - timedelta(days=1) + RECORD_RETENTION <= datetime.now(UTC) < first + RECORD_RETENTION


def test_dead_letters_of_both_queues_are_known_by_their_images_and_stay(stack: Stack) -> None:
    spoilt, undeliverable, crashed = (stack.upload(f"{name}.jpg") for name in ("spoilt", "undeliverable", "crashed"))
    fault = Rejected("EmptyImage", "it is empty")

    def body_of(expected: Prediction) -> str:
        return notification(s3_record(expected.image.key, object={"versionId": expected.image.version_id}))

    of_images, of_predictions = (
        sqs_adapter.DeadLetterQueue(stack.sqs, stack.outputs[name])
        for name in ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")
    )
    of_images.send(message(body_of(spoilt)), fault, "spoilt")
    stack.send("ImagesDeadLettersUrl", body_of(crashed))  # as the queue's own redrive policy does
    stack.send("ImagesDeadLettersUrl", "no notification")
    of_predictions.send(message(encoded(undeliverable)), Rejected("NobodyThere", "x"), "undeliverable")
    of_predictions.send(message("no prediction"), fault, "unknown")
    for _ in range(2):
        verdict = compare(stack.reader.read(TODAY))
        assert verdict.reasons == {"EmptyImage": 1, "NobodyThere": 1, NOT_RECORDED: 1}
        assert verdict.is_explained
        assert verdict.is_complete
    assert stack.warnings == []


def test_dead_letters_that_name_no_image_are_of_none_however_deep_they_are(stack: Stack) -> None:
    for queue in ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl"):
        for body in ("no JSON", "[" * 100_000, '{"image":{"x":' + "[" * 100_000):
            stack.send(queue, body)
    found = stack.reader.read(TODAY)
    assert (found.image_dead_letters, found.prediction_dead_letters) == ([], [])


def test_a_dead_letter_of_several_records_is_of_each_image(stack: Stack) -> None:
    records = [s3_record(key, object={"versionId": stack.upload(key).image.version_id}) for key in ("a.jpg", "b.jpg")]
    stack.send("ImagesDeadLettersUrl", notification(*records))
    assert compare(stack.reader.read(TODAY)).reasons == {NOT_RECORDED: 2}


def test_a_dead_letter_without_a_version_is_of_no_upload_after_its_own_day(stack: Stack) -> None:
    stack.send("ImagesDeadLettersUrl", notification(s3_record("leaf.jpg")))
    (dead_letter,) = stack.reader.read(TODAY).image_dead_letters
    assert dead_letter.sent_or_purged_on == datetime.now(UTC).date()


def test_where_versions_are_suspended_overwritten_images_and_dead_letters_are_found(stack: Stack) -> None:
    def of_null(expected: Prediction) -> Prediction:
        """As S3 calls the version of such an object, and then its rows do."""
        return msgspec.structs.replace(expected, image=msgspec.structs.replace(expected.image, version_id="null"))

    stack.s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Suspended"})
    for content in (b"first", b"second"):
        stack.store(of_null(stack.upload("leaf.jpg", content)))
    stack.send("PredictionsDeadLettersUrl", encoded(of_null(stack.upload("undeliverable.jpg"))))
    verdict = compare(stack.reader.read(TODAY))
    assert (
        verdict.predicted,
        verdict.dead_letters,
        verdict.predictions_of_deleted_images,
        verdict.rows_without_upload,
    ) == (1, 1, 1, [])


def test_dead_letters_that_are_received_during_ctrl_c_are_released(stack: Stack) -> None:
    url = stack.outputs["ImagesDeadLettersUrl"]
    stack.send("ImagesDeadLettersUrl", "a")

    def press(**_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    stack.sqs.meta.events.register("after-call.sqs.ReceiveMessage", press)
    with pytest.raises(KeyboardInterrupt):
        stack.reader.read(TODAY)
    stack.sqs.meta.events.unregister("after-call.sqs.ReceiveMessage", press)
    assert [received["Body"] for received in stack.sqs.receive_message(QueueUrl=url)["Messages"]] == ["a"]


@pytest.mark.parametrize("queue", ["ImagesQueueUrl", "PredictionsQueueUrl"])
def test_messages_of_either_queue_are_in_progress(stack: Stack, queue: str) -> None:
    stack.send(queue, "visible")
    stack.send(queue, "in flight")
    stack.sqs.receive_message(QueueUrl=stack.outputs[queue], MaxNumberOfMessages=1)
    stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody="delayed", DelaySeconds=60)
    assert stack.reader.read(TODAY).in_progress == 3


def test_rows_of_an_image_that_is_uploaded_during_the_audit_do_not_count(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
            yield from list(super()._uploads(scope))
            stack.store(stack.upload("newer.jpg"))

    stack.store(stack.upload("older.jpg"))
    verdict = compare(stack.reader_of(Meanwhile).read(TODAY))
    assert (verdict.images, verdict.expected_alerts, verdict.rows_without_upload) == (1, 1, [])


def test_a_prediction_that_is_stored_during_the_audit_counts(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
            yield from list(super()._uploads(scope))
            stack.store(expected)
            stack.notify(expected)

    expected = stack.upload("leaf.jpg")
    verdict = compare(stack.reader_of(Meanwhile).read(TODAY))
    assert (verdict.predicted, verdict.notified, verdict.is_explained) == (1, 1, True)


def test_an_image_that_is_predicted_after_the_rows_were_read_is_in_progress(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _rows(self, scope: Scope, uploads: Sequence[Uploaded]) -> dict[str, StoredPrediction | None]:
            rows_read = super()._rows(scope, uploads)
            stack.sqs.purge_queue(QueueUrl=stack.outputs["ImagesQueueUrl"])
            stack.store(expected)
            return rows_read

    expected = stack.upload("leaf.jpg")
    stack.send("ImagesQueueUrl", "the notification")
    verdict = compare(stack.reader_of(Meanwhile).read(TODAY))
    assert (len(verdict.unaccounted_for), verdict.in_progress, verdict.is_explained) == (1, 1, True)


def test_an_image_that_becomes_a_dead_letter_after_these_were_read_is_in_progress(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _dead_letters(self, queue: DeadLetterQueue) -> tuple[list[DeadLetterImage], int]:
            dead_letters = super()._dead_letters(queue)
            if queue.name == "images":
                stack.sqs.purge_queue(QueueUrl=stack.outputs["ImagesQueueUrl"])
                stack.send("ImagesDeadLettersUrl", notification(s3_record("leaf.jpg")))
            return dead_letters

    stack.upload("leaf.jpg")
    stack.send("ImagesQueueUrl", "the notification")
    verdict = compare(stack.reader_of(Meanwhile).read(TODAY))
    assert (len(verdict.unaccounted_for), verdict.in_progress, verdict.is_explained) == (1, 1, True)


def aged(expected: Prediction, days: int) -> Prediction:
    """The same prediction, as if its image had been uploaded so many days ago."""
    moment = expected.image.uploaded_at - timedelta(days=days)
    return msgspec.structs.replace(expected, image=msgspec.structs.replace(expected.image, uploaded_at=moment))


def deleted(stack: Stack, key: str) -> Prediction:
    """An upload whose version S3 has deleted."""
    expected = stack.upload(key, key.encode())
    stack.s3.delete_object(Bucket="images", Key=key, VersionId=str(expected.image.version_id))
    return expected


def without_upload(stack: Stack, expected: Prediction) -> int:
    """How many rows have no upload, among those of the day of this prediction."""
    stack.store(expected)
    found = stack.reader.read(Scope(day=expected.image.uploaded_at.date()))
    assert len(found.predictions) == 1
    return len(compare(found).rows_without_upload)


@pytest.mark.parametrize(("image_days", "age", "missing"), [("0", 31, 1), ("30", 31, 0), ("30", 30, 1)])
def test_rows_stay_when_their_image_expires(stack: Stack, image_days: str, age: int, missing: int) -> None:
    stack.outputs["ImageDays"] = image_days
    assert without_upload(stack, aged(deleted(stack, "leaf.jpg"), age)) == missing


@pytest.mark.parametrize(("image_days", "missing"), [("0", 1), ("30", 0)])
@pytest.mark.parametrize("replaced", [True, False])
def test_with_image_days_replaced_and_hidden_versions_expire_sooner(
    stack: Stack, image_days: str, missing: int, *, replaced: bool
) -> None:
    stack.outputs["ImageDays"] = image_days
    expected = stack.upload("leaf.jpg")
    if replaced:
        stack.upload("leaf.jpg", b"newer")
    else:
        stack.s3.delete_object(Bucket="images", Key="leaf.jpg")
    stack.s3.delete_object(Bucket="images", Key="leaf.jpg", VersionId=str(expected.image.version_id))
    assert without_upload(stack, expected) == missing


def test_image_days_explain_nothing_in_an_existing_bucket(stack: Stack) -> None:
    stack.outputs |= {"ExistingBucketName": "existing", "ImageDays": "30"}
    stack.s3.put_bucket_versioning(Bucket="existing", VersioningConfiguration={"Status": "Enabled"})
    expected = stack.upload("theirs.jpg", bucket="existing")
    stack.s3.delete_object(Bucket="existing", Key="theirs.jpg", VersionId=str(expected.image.version_id))
    assert without_upload(stack, aged(expected, 100)) == 1


@pytest.mark.parametrize(("prediction_days", "days"), [("0", None), ("30", 30)])
def test_rows_since_follow_from_prediction_days(stack: Stack, prediction_days: str, days: int | None) -> None:
    stack.outputs["PredictionDays"] = prediction_days
    expected = datetime.now(UTC).date() - timedelta(days=days) if days else date.min
    assert stack.reader.read(TODAY).rows_since == expected
