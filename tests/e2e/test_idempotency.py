"""S3 and SQS deliver at least once, sometimes twice at the same moment: one row and one alert for each prediction."""

from typing import Any

from labelwatch.local.session import INPUT_BUCKET
from tests.support.builders import notification, s3_record
from tests.support.pipeline import Pipeline


def deliver(pipeline: Pipeline, key: str, times: int = 1) -> None:
    """As S3 does: the same event notification again."""
    sqs = pipeline.session.local_aws.client("sqs")
    head = pipeline.session.local_aws.client("s3").head_object(Bucket=INPUT_BUCKET, Key=key)
    told: dict[str, Any] = {"size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
    if "VersionId" in head:
        told["versionId"] = head["VersionId"]
    body = notification(s3_record(key, bucket=INPUT_BUCKET, object=told))
    for _ in range(times):
        sqs.send_message(QueueUrl=pipeline.outputs["ImagesQueueUrl"], MessageBody=body)


def test_an_event_that_comes_again_later_is_told_of_by_nobody(pipeline: Pipeline) -> None:
    pipeline.upload("twice.jpg")
    pipeline.wait_for_alert("twice.jpg")
    deliver(pipeline, "twice.jpg", times=3)
    pipeline.wait_until_empty()
    assert len(pipeline.alerts_of("twice.jpg")) == 1


def test_events_that_come_at_the_same_moment_are_told_of_once(pipeline: Pipeline) -> None:
    pipeline.upload("at-once.jpg")
    deliver(pipeline, "at-once.jpg", times=20)
    pipeline.wait_for_alert("at-once.jpg")
    pipeline.wait_until_empty()
    assert len(pipeline.alerts_of("at-once.jpg")) == 1
    assert pipeline.dead_letters.get("at-once.jpg") is None


def test_what_was_told_is_remembered_and_forgotten_in_time(pipeline: Pipeline) -> None:
    pipeline.upload("once.jpg")
    pipeline.wait_for_alert("once.jpg")
    pipeline.wait_until_empty()
    remembered = table_item(pipeline, pipeline.predictions["once.jpg"].row_key)
    assert {"completed_at", "expires_at"} <= set(remembered)


def table_item(pipeline: Pipeline, row_key: str) -> dict[str, Any]:
    identity = row_key.rpartition("/")[2].removesuffix(".json")
    item: dict[str, Any] = pipeline.session.local_aws.client("dynamodb").get_item(
        TableName=pipeline.outputs["TableName"], Key={"kind": {"S": "alert"}, "id": {"S": identity}}
    )["Item"]
    return item
