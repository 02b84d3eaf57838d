"""What the audit reads, on moto: which uploads, rows, dead letters and notes, and what moves while it reads."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chalicelib.adapters.dynamodb import REMEMBERED, IdempotencyTable
from chalicelib.adapters.s3 import RowObjects
from chalicelib.adapters.sqs import DeadLetterQueue
from chalicelib.domain import rows
from chalicelib.domain.errors import Rejected
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.steps.detect import encoded
from labelwatch.audit.compare import Found, Uploaded, compare
from labelwatch.audit.read import Reader, Scope
from labelwatch.dead_letters.dead_letter import NOT_RECORDED, Box, letter
from labelwatch.dead_letters.purged import Purged
from tests.integration.conftest import REGION, TABLE
from tests.support.builders import image, message, notification, prediction, rules, s3_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

SMUT = Label("leaf-smut", 95.0)
TODAY = Scope(day=datetime.now(UTC).date())


class Stack:
    """A stack's buckets, queues and table, and what the functions would leave there."""

    def __init__(self, s3: S3Client, sqs: SQSClient, dynamodb: Any) -> None:
        self.s3, self.sqs, self.dynamodb = s3, sqs, dynamodb
        for bucket in ("images", "adopted", "predictions"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
        queues = ("ImagesQueue", "PredictionsQueue", "ImagesDeadLetters", "PredictionsDeadLetters")
        self.outputs = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in queues}
        self.outputs |= {"InputBucket": "images", "OutputBucket": "predictions", "TableName": TABLE}
        self.reader = self.made(Reader)

    def made(self, kind: type[Reader]) -> Reader:
        return kind(self.s3, self.sqs, self.dynamodb, self.outputs)

    def upload(self, key: str, content: bytes = b"leaf", bucket: str = "images") -> Prediction:
        """The prediction that is due of it, an alert's worth."""
        version = self.s3.put_object(Bucket=bucket, Key=key, Body=content).get("VersionId")
        head = self.s3.head_object(Bucket=bucket, Key=key)
        where = {"bucket": bucket, "version_id": version, "etag": head["ETag"].strip('"')}
        return prediction(SMUT, image=image(key, uploaded_at=head["LastModified"], **where))

    def store(self, one: Prediction) -> None:
        content = rows.encoded(rows.rows_of(one, rules(("leaf-smut", None))))
        RowObjects(self.s3, "predictions").put(rows.row_key(one), content, notify=one.notify)

    def tell(self, one: Prediction) -> None:
        now = datetime.now(UTC)
        claims = IdempotencyTable(self.dynamodb, TABLE, "alert")
        claims.acquire(one.id, "somebody", now, now + timedelta(seconds=65))
        claims.complete(one.id, now)


@pytest.fixture
def stack(s3: S3Client, sqs: SQSClient, dynamodb: DynamoDBClient) -> Stack:
    return Stack(s3, sqs, dynamodb)


def keys(found: Found) -> list[str]:
    return [one.key for one in found.uploads]


def test_each_version_of_an_object_is_an_image_and_a_folder_marker_is_none(stack: Stack) -> None:
    first, second = stack.upload("leaf.jpg", b"one"), stack.upload("leaf.jpg", b"two")
    stack.upload("folder/", b"")
    stack.upload("folder with content/")
    stack.s3.delete_object(Bucket="images", Key="leaf.jpg")  # which hides it and no more
    found = stack.reader.read(TODAY)
    assert sorted(keys(found)) == ["folder with content/", "leaf.jpg", "leaf.jpg"]
    assert {first.image.etag, second.image.etag} < {one.etag for one in found.uploads}


def test_only_what_is_asked_for_is_read(stack: Stack) -> None:
    for key in ("a/leaf.jpg", "b/leaf.jpg"):
        stack.store(stack.upload(key))
    under_a = stack.reader.read(Scope(prefix="a/"))
    assert (keys(under_a), [one.key for one in under_a.predictions]) == (["a/leaf.jpg"], ["a/leaf.jpg"])
    another_day = stack.reader.read(Scope(day=date(2026, 1, 1)))
    assert (another_day.uploads, another_day.predictions) == ([], [])


def test_an_adopted_bucket_is_read_too_and_may_have_no_versions(stack: Stack) -> None:
    stack.outputs["ExistingBucketName"] = "adopted"
    stack.upload("own.jpg")
    stack.store(stack.upload("adopted.jpg", bucket="adopted"))
    found = stack.made(Reader).read(TODAY)
    assert [(one.bucket, one.version_id is None) for one in found.uploads] == [("images", False), ("adopted", True)]
    assert [one.key for one in compare(found).without_fate] == ["own.jpg"]


def test_what_was_purged_has_met_its_fate_and_what_was_deleted_otherwise_has_not(stack: Stack) -> None:
    for key in ("purged.jpg", "deleted.jpg"):
        stack.upload(key)
    version = stack.s3.head_object(Bucket="images", Key="purged.jpg")["VersionId"]
    body = notification(s3_record("purged.jpg", object={"versionId": version}))
    dead = {"Body": body, "MessageId": "m", "ReceiptHandle": "r", "Attributes": {}}
    said = {"MessageAttributes": {"reason": {"StringValue": "EmptyImage"}}}
    Purged(stack.dynamodb, TABLE).note([letter(Box("images", "url", "source"), dead | said)])
    verdict = compare(stack.reader.read(TODAY))
    assert verdict.reasons == {"EmptyImage (purged)": 1}
    assert [one.key for one in verdict.without_fate] == ["deleted.jpg"]


def test_who_was_told_is_found_among_more_than_one_call_asks_for(stack: Stack) -> None:
    predictions = [stack.upload(f"{number:03}.jpg") for number in range(101)]
    for one in predictions:
        stack.store(one)
    for one in predictions[:-1]:
        stack.tell(one)
    assert [one.id for one in compare(stack.reader.read(TODAY)).untold] == [predictions[-1].id]


def test_of_what_a_backfill_looked_at_it_is_known_that_nobody_was_to_be_told(stack: Stack) -> None:
    for key, notify in (("past.jpg", False), ("new.jpg", True)):
        stack.store(msgspec.structs.replace(stack.upload(key), notify=notify))
    assert [one.key for one in compare(stack.reader.read(TODAY)).untold] == ["new.jpg"]


@pytest.mark.parametrize("content", [b'{"image":"\xff"}', b"1", b'{"other":' + b"[" * 100_000, b""])
@pytest.mark.parametrize("key", ["predictions/note.txt", f"predictions/dt={TODAY.day}/x.json"])
def test_what_is_no_row_is_named_whatever_it_is(stack: Stack, key: str, content: bytes) -> None:
    stack.upload("leaf.jpg")
    stack.s3.put_object(Bucket="predictions", Key=key, Body=content)
    stack.s3.put_object(Bucket="predictions", Key="predictions/", Body=b"")
    assert stack.reader.read(Scope(prefix="leaf")).unreadable == [key]


def test_a_claim_is_no_note(stack: Stack) -> None:
    one = stack.upload("leaf.jpg")
    stack.store(one)
    now = datetime.now(UTC)
    IdempotencyTable(stack.dynamodb, TABLE, "alert").acquire(one.id, "somebody", now, now + timedelta(seconds=65))
    assert [untold.id for untold in compare(stack.reader.read(TODAY)).untold] == [one.id]


def test_who_was_told_is_not_asked_of_a_day_of_which_some_may_be_forgotten(stack: Stack) -> None:
    first = datetime.combine(stack.reader.read(TODAY).alerts_since, time(), UTC)
    assert first - timedelta(days=1) + REMEMBERED <= datetime.now(UTC) < first + REMEMBERED


def test_dead_letters_of_both_queues_are_known_by_their_images_and_stay(stack: Stack) -> None:
    spoilt, untellable, crashed = (stack.upload(f"{name}.jpg") for name in ("spoilt", "untellable", "crashed"))
    fault = Rejected("EmptyImage", "it is empty")

    def about(one: Prediction) -> str:
        return notification(s3_record(one.image.key, object={"versionId": one.image.version_id}))

    letters, url = stack.sqs, stack.outputs["ImagesDeadLettersUrl"]
    DeadLetterQueue(letters, url).send(message(about(spoilt)), fault, "spoilt")
    letters.send_message(QueueUrl=url, MessageBody=about(crashed))  # as the queue's own redrive does
    letters.send_message(QueueUrl=url, MessageBody="no notification")
    of_predictions = DeadLetterQueue(letters, stack.outputs["PredictionsDeadLettersUrl"])
    of_predictions.send(message(encoded(untellable)), Rejected("NobodyThere", "x"), "untellable")
    of_predictions.send(message("no prediction"), fault, "unknown")
    for _ in range(2):
        verdict = compare(stack.reader.read(TODAY))
        assert verdict.reasons == {"EmptyImage": 1, "NobodyThere": 1, NOT_RECORDED: 1}
        assert verdict.adds_up
        assert not verdict.left_over


def test_dead_letters_that_name_no_image_are_of_none_however_deep_they_are(stack: Stack) -> None:
    for queue in ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl"):
        for body in ("no JSON", "[" * 100_000, '{"image":{"x":' + "[" * 100_000):
            stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody=body)
    found = stack.reader.read(TODAY)
    assert (found.image_dead_letters, found.prediction_dead_letters) == ([], [])


def test_a_dead_letter_of_several_records_is_of_each_image(stack: Stack) -> None:
    records = [s3_record(key, object={"versionId": stack.upload(key).image.version_id}) for key in ("a.jpg", "b.jpg")]
    stack.sqs.send_message(QueueUrl=stack.outputs["ImagesDeadLettersUrl"], MessageBody=notification(*records))
    assert compare(stack.reader.read(TODAY)).reasons == {NOT_RECORDED: 2}


def test_a_dead_letter_without_a_version_is_of_no_upload_after_its_own_day(stack: Stack) -> None:
    stack.sqs.send_message(
        QueueUrl=stack.outputs["ImagesDeadLettersUrl"], MessageBody=notification(s3_record("leaf.jpg"))
    )
    (aside,) = stack.reader.read(TODAY).image_dead_letters
    assert aside.until == datetime.now(UTC).date()


def test_where_versions_are_suspended_what_was_overwritten_or_set_aside_is_found(stack: Stack) -> None:
    def of_null(one: Prediction) -> Prediction:
        """As S3 calls the version of such an object, and then its rows do."""
        return msgspec.structs.replace(one, image=msgspec.structs.replace(one.image, version_id="null"))

    stack.s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Suspended"})
    for content in (b"first", b"second"):
        stack.store(of_null(stack.upload("leaf.jpg", content)))
    untellable = encoded(of_null(stack.upload("untellable.jpg")))
    stack.sqs.send_message(QueueUrl=stack.outputs["PredictionsDeadLettersUrl"], MessageBody=untellable)
    verdict = compare(stack.reader.read(TODAY))
    assert (verdict.predicted, verdict.aside, verdict.gone, verdict.unknown) == (1, 1, 1, [])


def test_dead_letters_that_are_received_as_somebody_presses_ctrl_c_are_given_back(stack: Stack) -> None:
    url = stack.outputs["ImagesDeadLettersUrl"]
    stack.sqs.send_message(QueueUrl=url, MessageBody="a")

    def press(**_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    stack.sqs.meta.events.register("after-call.sqs.ReceiveMessage", press)
    with pytest.raises(KeyboardInterrupt):
        stack.reader.read(TODAY)
    stack.sqs.meta.events.unregister("after-call.sqs.ReceiveMessage", press)
    assert [one["Body"] for one in stack.sqs.receive_message(QueueUrl=url)["Messages"]] == ["a"]


@pytest.mark.parametrize("queue", ["ImagesQueueUrl", "PredictionsQueueUrl"])
def test_messages_of_either_queue_are_on_the_way(stack: Stack, queue: str) -> None:
    stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody="in sight")
    stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody="taken")
    stack.sqs.receive_message(QueueUrl=stack.outputs[queue], MaxNumberOfMessages=1)
    stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody="delayed", DelaySeconds=60)
    assert stack.reader.read(TODAY).on_the_way == 3


def test_rows_of_what_was_uploaded_while_it_was_read_do_not_count(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
            yield from list(super()._uploads(scope))
            stack.store(stack.upload("newer.jpg"))

    stack.store(stack.upload("older.jpg"))
    verdict = compare(stack.made(Meanwhile).read(TODAY))
    assert (verdict.images, verdict.due, verdict.unknown) == (1, 1, [])


def test_a_prediction_that_is_stored_while_it_was_read_counts(stack: Stack) -> None:
    class Meanwhile(Reader):
        def _uploads(self, scope: Scope) -> Iterator[Uploaded]:
            yield from list(super()._uploads(scope))
            stack.store(one)
            stack.tell(one)

    one = stack.upload("leaf.jpg")
    verdict = compare(stack.made(Meanwhile).read(TODAY))
    assert (verdict.predicted, verdict.told, verdict.adds_up) == (1, 1, True)
