"""`labelwatch forget` on moto: every store, every selection, and going on after a stop at any call."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from chalicelib.adapters.dynamodb import IdempotencyTable, LinkTable
from chalicelib.domain import rows
from chalicelib.domain.links import new_link
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.steps.detect import encoded
from labelwatch.dead_letters import PurgedImages, dead_letter_queues
from labelwatch.dead_letters.dead_letter import dead_letter_of
from labelwatch.forget.run import Request, run
from labelwatch.forget.selection import Selection
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from tests.integration.conftest import REGION, TABLE
from tests.support.builders import MODEL, image, notification, prediction, rules, s3_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

IN, OUT, EXISTING = "images", "predictions", "cameras"
CLIENT_KEY = "uploads/camera-north/2026-11-27/abcdefghijklmnop-leaf.jpg"
FORGOTTEN = Selection(key="field 7/葉 1.jpg")
KEY = str(FORGOTTEN.key)


class Clients(Account):
    """An account with some other clients."""

    def __init__(self, **clients: Any) -> None:
        super().__init__()
        self.clients = clients

    def client(self, service: str, **options: Any) -> Any:
        return self.clients.get(service) or super().client(service, **options)


class Stack:
    """A stack's stores, what its functions write there, and a person who answers."""

    def __init__(self, s3: S3Client, sqs: SQSClient, dynamodb: DynamoDBClient) -> None:
        self.s3, self.sqs, self.dynamodb = s3, sqs, dynamodb
        for bucket in (IN, OUT, EXISTING):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=IN, VersioningConfiguration={"Status": "Enabled"})
        queues = ("ImagesQueue", "PredictionsQueue", "ImagesDeadLetters", "PredictionsDeadLetters")
        self.outputs = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in queues}
        self.outputs |= {
            "InputBucket": IN, "OutputBucket": OUT, "WorkspaceBucket": "workspace", "TableName": TABLE,
            "CustomModelARN": MODEL, "ExistingBucketName": EXISTING,
        }  # fmt: skip
        self.account = Clients(cloudformation=self, s3=s3, sqs=sqs, dynamodb=dynamodb)
        self.questions: list[str] = []
        self.refused = ""
        self.printed = io.StringIO()

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}

    def forget(self, selection: Selection, *, dry_run: bool = False) -> dict[str, Any]:
        self.printed = io.StringIO()
        terminal = Terminal(Console(file=self.printed, width=400, markup=False, highlight=False), self._accepts)
        result: dict[str, Any] = json.loads(
            run(self.account, Request("labelwatch", selection, dry_run=dry_run), terminal, lambda _: None)
        )
        return result

    def upload(self, key: str, content: bytes = b"leaf", bucket: str = IN) -> Prediction:
        version = self.s3.put_object(Bucket=bucket, Key=key, Body=content).get("VersionId")
        head = self.s3.head_object(Bucket=bucket, Key=key)
        reference = {"bucket": bucket, "version_id": version, "etag": head["ETag"].strip('"')}
        return prediction(Label("rust", 95.0), image=image(key, uploaded_at=head["LastModified"], **reference))

    def alert(self, key: str, content: bytes = b"leaf", bucket: str = IN) -> Prediction:
        """An upload with rows, an alert and its link."""
        expected, now = self.upload(key, content, bucket), datetime.now(UTC)
        row_key = rows.row_key(expected)
        self.s3.put_object(Bucket=OUT, Key=row_key, Body=rows.encoded(rows.rows_of(expected, rules(("rust", None)))))
        records = IdempotencyTable(self.dynamodb, TABLE, "alert")
        records.acquire(expected.id, "somebody", now, now + timedelta(seconds=65))
        records.complete(expected.id, now)
        LinkTable(self.dynamodb, TABLE).add(new_link(row_key, expected.image.source, now)[1])
        return expected

    def fail(self, queue: str, body: str) -> None:
        """A dead letter with its idempotency record."""
        url, now = self.outputs[queue], datetime.now(UTC)
        (queue_of,) = [found for found in dead_letter_queues(self.outputs) if found.url == url]
        reason: Any = {"DataType": "String", "StringValue": "EmptyImage"}
        self.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes={"reason": reason})
        sent = {"Body": body, "MessageId": "m", "Attributes": {}}
        IdempotencyTable(self.dynamodb, TABLE, "dead-letter").acquire(
            dead_letter_of(queue_of, sent).record_id, "somebody", now, now
        )

    def put_upload_record(self, key: str) -> None:
        self.dynamodb.put_item(TableName=TABLE, Item={"kind": {"S": "upload"}, "id": {"S": key}})

    def purge(self, key: str) -> None:
        body = notification(s3_record(key, bucket=IN))
        sent = {"Body": body, "MessageId": "m", "Attributes": {}, "MessageAttributes": {}}
        PurgedImages(self.dynamodb, TABLE).record([dead_letter_of(dead_letter_queues(self.outputs)[0], sent)])

    def fill(self, key: str) -> None:
        """Everything that there can be of an image: three versions, two of them hidden, and all that follows."""
        first = self.alert(key, f"first {key}".encode())
        self.upload(key, f"second {key}".encode())
        self.s3.delete_object(Bucket=IN, Key=key)
        self.alert(key, f"third {key}".encode())
        version = {"versionId": first.image.version_id}
        self.fail("ImagesDeadLettersUrl", notification(s3_record(key, bucket=IN, object=version)))
        self.fail("PredictionsDeadLettersUrl", encoded(first))
        self.put_upload_record(key)
        self.purge(key)
        self.alert(key, f"theirs {key}".encode(), EXISTING)

    def content(self) -> dict[str, list[str]]:
        """Everything in every store, a text each."""
        return {
            **{bucket: sorted(self._objects(bucket)) for bucket in (IN, OUT, EXISTING)},
            "table": sorted(json.dumps(item) for item in self.dynamodb.scan(TableName=TABLE)["Items"]),
            **{name: sorted(self._bodies(url)) for name, url in self.outputs.items() if name.endswith("LettersUrl")},
        }

    def _objects(self, bucket: str) -> Iterator[str]:
        listed = self.s3.list_object_versions(Bucket=bucket)
        for version in listed.get("Versions", []):
            content = self.s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
            yield f"{version['Key']} {version['VersionId']} {content['Body'].read().decode()}"
        yield from (f"{marker['Key']} {marker['VersionId']}" for marker in listed.get("DeleteMarkers", []))

    def _bodies(self, url: str) -> Iterator[str]:
        found: dict[str, str] = {}
        for _ in range(10):
            for message in self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
                "Messages", []
            ):
                found[message["MessageId"]] = message["Body"]
        yield from found.values()

    def _accepts(self, question: str) -> bool:
        self.questions.append(question)
        return not self.refused or self.refused not in question


@pytest.fixture
def stack(s3: S3Client, sqs: SQSClient, dynamodb: DynamoDBClient) -> Stack:
    # Moto has one server: there is nothing to wait for.
    sqs.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage", lambda params, **_: params | {"WaitTimeSeconds": 0}
    )
    return Stack(s3, sqs, dynamodb)


def test_all_stores_are_as_before_the_image_and_other_images_stay(stack: Stack) -> None:
    stack.fill("field 7/other.jpg")
    before = stack.content()
    stack.fill(KEY)
    result = stack.forget(FORGOTTEN)
    assert stack.content() == before
    # Three versions and a delete marker; two alerts, two dead letters, an upload and a purged dead letter.
    numbers = {name: len(result[name]) for name in ("images", "existing_images", "predictions", "dead_letters")}
    assert numbers == {"images": 4, "existing_images": 1, "predictions": 3, "dead_letters": 2}
    assert (result["links"], result["records"], result["deleted"]) == (3, 7, True)


def test_a_dry_run_names_everything_and_changes_nothing(stack: Stack) -> None:
    stack.fill(KEY)
    before = stack.content()
    result = stack.forget(FORGOTTEN, dry_run=True)
    assert stack.content() == before
    assert (len(result["images"]), result["deleted"], stack.questions) == (4, False, [])


def test_without_agreement_nothing_is_deleted_and_dead_letters_are_visible(stack: Stack) -> None:
    stack.fill(KEY)
    before = stack.content()
    stack.refused = "cannot be undone"
    with pytest.raises(UserError):
        stack.forget(FORGOTTEN)
    assert stack.content() == before


def test_images_of_an_existing_bucket_are_deleted_only_after_a_question_of_their_own(stack: Stack) -> None:
    stack.fill(KEY)
    stack.refused = EXISTING
    result = stack.forget(FORGOTTEN)
    assert len(stack.questions) == 2
    content = stack.content()
    assert ([KEY in text for text in content.pop(EXISTING)], result["existing_images_kept"]) == ([True], True)
    assert not any(content.values())


def test_where_only_the_existing_bucket_has_the_image_only_its_question_is_asked(stack: Stack) -> None:
    stack.upload(KEY, bucket=EXISTING)
    stack.forget(FORGOTTEN)
    assert [EXISTING in question for question in stack.questions] == [True]
    assert stack.content()[EXISTING] == []


def test_without_an_existing_bucket_there_is_one_question(stack: Stack) -> None:
    stack.outputs["ExistingBucketName"] = ""
    stack.alert(KEY)
    stack.forget(FORGOTTEN)
    assert len(stack.questions) == 1


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(client="camera-north"), ["camera-north/1.jpg", "field-3/1.jpg", "loose.jpg"]),
        (Selection(source="camera-north"), ["field-3/1.jpg", "loose.jpg"]),
        (Selection(source="field-3"), ["camera-north/1.jpg", "loose.jpg", CLIENT_KEY]),
        (Selection(source=IN), ["camera-north/1.jpg", "field-3/1.jpg", CLIENT_KEY]),
        (Selection(key="field-3/"), ["camera-north/1.jpg", "field-3/1.jpg", "loose.jpg", CLIENT_KEY]),
    ],
)
def test_a_selection_has_its_images_and_no_others(stack: Stack, selection: Selection, kept: list[str]) -> None:
    for key in ("camera-north/1.jpg", "field-3/1.jpg", "loose.jpg", CLIENT_KEY):
        stack.alert(key, key.encode())
        stack.put_upload_record(key)
    stack.forget(selection)
    content = stack.content()
    assert [text.split()[0] for text in content[IN]] == sorted(kept)
    assert len(content[OUT]) == len(kept)
    assert len(content["table"]) == 3 * len(kept)


def test_a_link_of_a_source_without_rows_is_deleted(stack: Stack) -> None:
    version = stack.alert("field-3/1.jpg").image.version_id
    for row in stack.s3.list_objects_v2(Bucket=OUT)["Contents"]:
        stack.s3.delete_object(Bucket=OUT, Key=row["Key"])
    stack.s3.delete_object(Bucket=IN, Key="field-3/1.jpg", VersionId=str(version))
    assert stack.forget(Selection(source="field-3"), dry_run=True)["links"] == 1


def test_other_images_of_a_dead_letter_keep_theirs(stack: Stack) -> None:
    records = [s3_record(key, bucket=IN) for key in ("a.jpg", "b.jpg")]
    stack.fail("ImagesDeadLettersUrl", notification(*records))
    stack.forget(Selection(key="a.jpg"))
    (body,) = stack.content()["ImagesDeadLettersUrl"]
    assert json.loads(body) == json.loads(notification(records[1]))


def test_an_object_without_rows_stops_nothing(stack: Stack) -> None:
    stack.s3.put_object(Bucket=OUT, Key="predictions/dt=2026-11-22/x.json", Body=b"no rows")
    stack.alert(KEY)
    stack.forget(FORGOTTEN)
    assert len(stack.content()[OUT]) == 1


def test_older_versions_of_rows_are_deleted_where_somebody_turned_versioning_on(stack: Stack) -> None:
    stack.s3.put_bucket_versioning(Bucket=OUT, VersioningConfiguration={"Status": "Enabled"})
    row_key = rows.row_key(stack.alert(KEY))
    stack.alert(KEY)
    stack.s3.delete_object(Bucket=OUT, Key=row_key)
    stack.forget(FORGOTTEN)
    assert stack.content()[OUT] == []


def test_messages_in_progress_are_counted_and_stay(stack: Stack) -> None:
    stack.sqs.send_message(QueueUrl=stack.outputs["ImagesQueueUrl"], MessageBody="the notification")
    stack.alert(KEY)
    assert stack.forget(FORGOTTEN)["in_progress"] == 1
    assert "1 message" in stack.printed.getvalue()


def test_a_second_run_finds_nothing_and_asks_nothing(stack: Stack) -> None:
    stack.fill(KEY)
    stack.forget(FORGOTTEN)
    stack.questions.clear()
    result = stack.forget(FORGOTTEN)
    assert (result["deleted"], stack.questions) == (False, [])
    assert "Nothing found" in stack.printed.getvalue()


DELETING = ("DeleteItem", "DeleteMessageBatch", "DeleteObjects", "SendMessage")


@pytest.mark.parametrize("ends_before", [True, False])
def test_after_a_stop_at_any_call_the_same_command_completes(stack: Stack, *, ends_before: bool) -> None:
    """In each round it is stopped one call later: before the call, or after AWS has done it."""
    calls = stop_at = 0

    def press(**_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt

    event = "before-call" if ends_before else "after-call"
    for client, service in ((stack.s3, "s3"), (stack.sqs, "sqs"), (stack.dynamodb, "dynamodb")):
        for operation in DELETING:
            client.meta.events.register(f"{event}.{service}.{operation}", press)
    for number in count(1):
        stop_at = 0
        stack.fill(KEY)
        calls, stop_at = 0, number
        with suppress(CtrlCError):
            stack.forget(FORGOTTEN)
        needed, stop_at = calls, 0
        stack.forget(FORGOTTEN)
        assert not any(stack.content().values())
        if needed < number:
            break
    assert needed > 10  # each kind of thing was a call


def test_a_refusal_of_s3_names_the_object_and_the_next_step(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"Errors": [{"Key": KEY, "Code": "AccessDenied", "Message": "Access Denied"}]}
    stack.alert(KEY)
    monkeypatch.setattr(stack.s3, "delete_objects", lambda **_: refusal)
    with pytest.raises(UserError) as stopped:
        stack.forget(FORGOTTEN)
    assert KEY in str(stopped.value) or "predictions/" in str(stopped.value)
    assert "same command" in str(stopped.value)
