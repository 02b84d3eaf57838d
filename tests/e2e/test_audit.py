"""The audit on the running pipeline: it adds up, and reports each thing that is removed."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, picture, run_labelwatch, run_manage_model

PREFIX = "audited/"
ALERTED, OTHER, BAD = f"{PREFIX}alerted leaf.jpg", f"{PREFIX}other+leaf.jpg", f"{PREFIX}notes.jpg"
FOLDER = f"{PREFIX}folder/"


def audit(pipeline: Pipeline, *options: str) -> CompletedProcess[str]:
    return invoke_labelwatch(pipeline.session, "audit", *options)


def verdict(pipeline: Pipeline, *options: str) -> dict[str, Any]:
    done = audit(pipeline, "--format", "json", *options)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    unsettled = len(result["unaccounted_for"]) + len(result["not_notified"])
    never_explained = result["rows_without_upload"] + result["unreadable_rows"]
    may_follow = unsettled <= result["in_progress"] and not never_explained
    assert done.returncode == (0 if result["complete"] else 3 if may_follow else 1)
    return result


@pytest.fixture(scope="module")
def audited(running: Pipeline) -> Pipeline:
    """An image of each outcome, and a folder marker."""
    running.upload(ALERTED)
    running.upload(OTHER, content=picture("brown-spot"))
    running.upload(BAD, content=b"Spray on Tuesday.")
    running.upload(FOLDER, content=b"")
    running.wait_for(ALERTED, OTHER, BAD)
    running.wait_for_alert(ALERTED)
    running.wait_until_empty()
    return running


def test_a_complete_set_adds_up_and_a_second_audit_says_the_same(audited: Pipeline) -> None:
    for _ in range(2):  # the dead letters are released
        result = verdict(audited, "--prefix", PREFIX)
        counts = {
            "images": 3, "predicted": 2, "dead_letters": 1, "expected_alerts": 1, "notified": 1, "in_progress": 0,
        }  # fmt: skip
        assert {name: result[name] for name in counts} == counts
        assert result["reasons"] == {"InvalidImageFormatException": 1}
        assert result["complete"]


def test_the_day_has_its_uploads_and_another_day_has_none(audited: Pipeline) -> None:
    day = audited.predictions[ALERTED].row_key.split("/")[1].removeprefix("dt=")
    assert verdict(audited, "--day", day, "--prefix", PREFIX)["images"] == 3
    assert verdict(audited, "--day", "2026-01-01", "--prefix", PREFIX)["images"] == 0


def test_a_dead_letter_that_another_reader_hides_is_waited_for(audited: Pipeline) -> None:
    sqs = audited.session.local_aws.client("sqs")
    received = sqs.receive_message(QueueUrl=audited.outputs["ImagesDeadLettersUrl"], VisibilityTimeout=3)
    assert received["Messages"]
    assert verdict(audited, "--prefix", PREFIX)["dead_letters"] == 1


def test_removed_rows_are_reported_in_text_too(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), audited.predictions[OTHER].row_key
    content = s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()
    s3.delete_object(Bucket=OUTPUT_BUCKET, Key=key)
    done = run_labelwatch(audited.session, "audit", "--prefix", PREFIX)
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=content)
    assert done.returncode == 1
    assert f"s3://{INPUT_BUCKET}/{OTHER} (version " in done.stdout


def test_a_record_of_an_alert_that_is_no_longer_completed_is_reported(audited: Pipeline) -> None:
    dynamodb, table = audited.session.local_aws.client("dynamodb"), audited.outputs["TableName"]
    row_key = audited.predictions[ALERTED].row_key
    key = {"kind": {"S": "alert"}, "id": {"S": row_key.rpartition("/")[2].removesuffix(".json")}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    acquired = {name: value for name, value in item.items() if name != "completed_at"}
    dynamodb.put_item(TableName=table, Item=acquired)
    result = verdict(audited, "--prefix", PREFIX)
    dynamodb.put_item(TableName=table, Item=item)
    assert result["not_notified"] == [f"{row_key}, of s3://{INPUT_BUCKET}/{ALERTED}"]
    assert not result["complete"]


def test_a_removed_dead_letter_is_reported(audited: Pipeline) -> None:
    sqs, url = audited.session.local_aws.client("sqs"), audited.outputs["ImagesDeadLettersUrl"]
    taken = taken_from(sqs, url, lambda message: BAD in message["Body"])
    result = verdict(audited, "--prefix", PREFIX)
    for message in taken:
        attributes = {
            name: {"DataType": "String", "StringValue": value["StringValue"]}
            for name, value in message["MessageAttributes"].items()
        }
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"], MessageAttributes=attributes)
    assert len(taken) == 1
    assert [BAD in image for image in result["unaccounted_for"]] == [True]
    assert not result["complete"]


def test_a_removed_upload_leaves_unknown_rows(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), f"{PREFIX}deleted.jpg"
    audited.upload(key)
    audited.wait_for_alert(key)
    audited.wait_until_empty()
    version = s3.head_object(Bucket=INPUT_BUCKET, Key=key)["VersionId"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key=key)  # hidden by a delete marker it is there still
    assert verdict(audited, "--prefix", PREFIX)["complete"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key=key, VersionId=version)
    row_key = audited.predictions[key].row_key
    result = verdict(audited, "--prefix", PREFIX)
    s3.delete_object(Bucket=OUTPUT_BUCKET, Key=row_key)
    assert result["rows_without_upload"] == [f"{row_key}, of s3://{INPUT_BUCKET}/{key}"]


def test_messages_in_progress_may_explain_what_is_missing(audited: Pipeline) -> None:
    """A prediction whose rows are not stored: the message of its image is deferred while the model is stopped."""
    key = f"{PREFIX}patient.jpg"
    audited.local_model.status = "STOPPED"
    audited.upload(key)
    audited.wait_until(lambda: audited.depth("ImagesQueueUrl") == 1, "a message that waits")
    result = verdict(audited, "--prefix", PREFIX)
    audited.local_model.status = "RUNNING"
    run_manage_model(audited.session)
    audited.wait_for_alert(key)
    audited.wait_until_empty()
    assert [key in image for image in result["unaccounted_for"]] == [True]
    assert result["in_progress"] == 1
    assert not result["complete"]  # a program must not take this for success; the exit code tells it from a loss


def test_a_stack_that_does_not_exist_is_named_in_one_line(audited: Pipeline) -> None:
    done = audit(audited, "--stack", "none")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "named none" in done.stderr


def test_an_object_without_rows_is_reported_beside_the_rest(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), audited.predictions[OTHER].row_key
    content = s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=b"{}")
    result = verdict(audited, "--prefix", PREFIX)
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=content)
    assert result["unreadable_rows"] == [key]
    assert [f"/{OTHER} " in image for image in result["unaccounted_for"]] == [True]


def taken_from(sqs: Any, url: str, is_meant: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Deletes the messages that are meant, and releases the others."""
    messages: list[dict[str, Any]] = []
    while chunk := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        messages += chunk
    for message in messages:
        if is_meant(message):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return [message for message in messages if is_meant(message)]
