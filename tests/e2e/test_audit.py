"""The audit on the running pipeline: it adds up, and cries out over each thing that is taken away."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.pipeline import Pipeline, picture, run_labelwatch, run_manage_model

PREFIX = "audited/"
COMPLETED, SUPPRESSED, BAD = f"{PREFIX}told leaf.jpg", f"{PREFIX}quiet+leaf.jpg", f"{PREFIX}notes.jpg"
FOLDER = f"{PREFIX}folder/"


def audit(pipeline: Pipeline, *options: str) -> subprocess.CompletedProcess[str]:
    return run_labelwatch(pipeline.session, "audit", *options)


def verdict(pipeline: Pipeline, *options: str) -> dict[str, Any]:
    done = audit(pipeline, "--format", "json", *options)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    may_come_yet = len(told["without_fate"]) + len(told["untold"]) <= told["on_the_way"] and not told["unknown"]
    assert done.returncode == (0 if told["adds_up"] else 3 if may_come_yet else 1)
    return told


@pytest.fixture(scope="module")
def audited(running: Pipeline) -> Pipeline:
    """One image of each fate, and a folder marker."""
    running.upload(COMPLETED)
    running.upload(SUPPRESSED, content=picture("brown-spot"))
    running.upload(BAD, content=b"Spray on Tuesday.")
    running.upload(FOLDER, content=b"")
    running.wait_for(COMPLETED, SUPPRESSED, BAD)
    running.wait_for_alert(COMPLETED)
    running.wait_until_empty()
    return running


def test_what_is_whole_adds_up_and_can_be_asked_again(audited: Pipeline) -> None:
    for _ in range(2):  # the dead letters were given back
        told = verdict(audited, "--prefix", PREFIX)
        counts = {name: told[name] for name in ("images", "predicted", "aside", "due", "told", "on_the_way")}
        assert counts == {"images": 3, "predicted": 2, "aside": 1, "due": 1, "told": 1, "on_the_way": 0}
        assert told["reasons"] == {"InvalidImageFormatException": 1}
        assert told["adds_up"]


def test_the_day_has_its_uploads_and_another_day_has_none(audited: Pipeline) -> None:
    day = audited.predictions[COMPLETED].row_key.split("/")[1].removeprefix("dt=")
    assert verdict(audited, "--day", day, "--prefix", PREFIX)["images"] == 3
    assert verdict(audited, "--day", "2026-01-01", "--prefix", PREFIX)["images"] == 0
    assert verdict(audited, "--day", day)["images"] >= 3


def test_a_dead_letter_in_the_hands_of_another_reader_is_waited_for(audited: Pipeline) -> None:
    sqs = audited.session.local_aws.client("sqs")
    held = sqs.receive_message(QueueUrl=audited.outputs["ImagesDeadLettersUrl"], VisibilityTimeout=4)
    assert held["Messages"]
    assert verdict(audited, "--prefix", PREFIX)["aside"] == 1


def test_rows_that_are_taken_away_are_missed(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), audited.predictions[SUPPRESSED].row_key
    content = s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()
    s3.delete_object(Bucket=OUTPUT_BUCKET, Key=key)
    done = audit(audited, "--prefix", PREFIX)
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=content)
    assert done.returncode == 1
    assert f"no fate: s3://{INPUT_BUCKET}/{SUPPRESSED} (version " in done.stdout


def test_a_told_mark_that_is_taken_away_is_missed(audited: Pipeline) -> None:
    dynamodb, table = audited.session.local_aws.client("dynamodb"), audited.outputs["TableName"]
    row_key = audited.predictions[COMPLETED].row_key
    key = {"kind": {"S": "alert"}, "id": {"S": row_key.rpartition("/")[2].removesuffix(".json")}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    claimed = {name: value for name, value in item.items() if name != "completed_at"}
    dynamodb.put_item(TableName=table, Item=claimed)
    told = verdict(audited, "--prefix", PREFIX)
    dynamodb.put_item(TableName=table, Item=item)
    assert told["untold"] == [f"{row_key}, of s3://{INPUT_BUCKET}/{COMPLETED}"]
    assert not told["adds_up"]


def test_a_dead_letter_that_is_taken_away_is_missed(audited: Pipeline) -> None:
    sqs, url = audited.session.local_aws.client("sqs"), audited.outputs["ImagesDeadLettersUrl"]
    taken = taken_from(sqs, url, lambda message: BAD in message["Body"])
    told = verdict(audited, "--prefix", PREFIX)
    for message in taken:
        attributes = {
            name: {"DataType": "String", "StringValue": value["StringValue"]}
            for name, value in message["MessageAttributes"].items()
        }
        sqs.send_message(QueueUrl=url, MessageBody=message["Body"], MessageAttributes=attributes)
    assert len(taken) == 1
    assert [BAD in one for one in told["without_fate"]] == [True]
    assert not told["adds_up"]


def test_an_upload_that_is_taken_away_leaves_rows_of_nothing(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), f"{PREFIX}gone.jpg"
    audited.upload(key)
    audited.wait_for_alert(key)
    audited.wait_until_empty()
    version = s3.head_object(Bucket=INPUT_BUCKET, Key=key)["VersionId"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key=key)  # hidden by a delete marker it is there still
    assert verdict(audited, "--prefix", PREFIX)["adds_up"]
    s3.delete_object(Bucket=INPUT_BUCKET, Key=key, VersionId=version)
    row_key = audited.predictions[key].row_key
    done = audit(audited, "--prefix", PREFIX)
    s3.delete_object(Bucket=OUTPUT_BUCKET, Key=row_key)
    assert done.returncode == 1
    assert (
        f"rows of nothing uploaded (or of what was deleted for good): {row_key}, of s3://{INPUT_BUCKET}/{key}"
        in done.stdout
    )


def test_what_is_on_the_way_may_come_yet(audited: Pipeline) -> None:
    """A prediction whose rows are not stored: the message of its image is put away while the model is stopped."""
    key = f"{PREFIX}patient.jpg"
    audited.local_model.status = "STOPPED"
    audited.upload(key)
    audited.wait_until(lambda: audited.depth("ImagesQueueUrl") == 1, "a message that waits")
    told = verdict(audited, "--prefix", PREFIX)
    audited.local_model.status = "RUNNING"
    run_manage_model(audited.session)
    audited.wait_for_alert(key)
    audited.wait_until_empty()
    assert [key in one for one in told["without_fate"]] == [True]
    assert told["on_the_way"] == 1
    assert not told["adds_up"]  # a program must not take it for done, and its exit code tells it from what is lost


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--day", "yesterday", "--day 'yesterday' must be a day, such as"),
        ("--day", "2999-01-01", "--day 2999-01-01 has not come yet"),
        ("--prefix", "s3://images/a", "--prefix 's3://images/a' must be the beginning of keys, such as"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(audited: Pipeline, option: str, value: str, sentence: str) -> None:
    done = audit(audited, option, value)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert sentence in done.stderr


def test_rows_that_are_none_are_told_with_all_else(audited: Pipeline) -> None:
    s3, key = audited.session.local_aws.client("s3"), audited.predictions[SUPPRESSED].row_key
    content = s3.get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=b"{}")
    done = audit(audited, "--prefix", PREFIX)
    s3.put_object(Bucket=OUTPUT_BUCKET, Key=key, Body=content)
    assert done.returncode == 1
    assert f"no rows; take it away, and see whose prediction is missing: {key}\n" in done.stdout
    assert f"no fate: s3://{INPUT_BUCKET}/{SUPPRESSED} (version " in done.stdout


def taken_from(sqs: Any, url: str, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Takes away what is wanted and gives the rest back."""
    messages: list[dict[str, Any]] = []
    while few := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get(
        "Messages"
    ):
        messages += few
    for one in messages:
        if wanted(one):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    return [one for one in messages if wanted(one)]
