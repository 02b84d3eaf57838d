"""S3 and SQS deliver at least once, sometimes twice at the same moment: one row and one alert for each prediction."""

from typing import Any

from labelwatch.local.session import INPUT_BUCKET
from tests.support.builders import notification, s3_record
from tests.support.pipeline import Pipeline


def deliver(pipeline: Pipeline, key: str, times: int = 1) -> None:
    """Delivers the same event notification once more, as S3 may."""
    sqs = pipeline.session.local_aws.client("sqs")
    head = pipeline.session.local_aws.client("s3").head_object(Bucket=INPUT_BUCKET, Key=key)
    attributes: dict[str, Any] = {"size": head["ContentLength"], "eTag": head["ETag"].strip('"')}
    if "VersionId" in head:
        attributes["versionId"] = head["VersionId"]
    body = notification(s3_record(key, bucket=INPUT_BUCKET, object=attributes))
    for _ in range(times):
        sqs.send_message(QueueUrl=pipeline.outputs["ImagesQueueUrl"], MessageBody=body)


def test_a_later_repeat_of_an_event_causes_no_second_alert(pipeline: Pipeline) -> None:
    pipeline.upload("repeated.jpg")
    pipeline.wait_for_alert("repeated.jpg")
    deliver(pipeline, "repeated.jpg", times=3)
    pipeline.wait_until_empty()
    assert len(pipeline.alerts_of("repeated.jpg")) == 1


def test_simultaneous_repeats_of_an_event_cause_one_alert(pipeline: Pipeline) -> None:
    pipeline.upload("simultaneous.jpg")
    deliver(pipeline, "simultaneous.jpg", times=20)
    pipeline.wait_for_alert("simultaneous.jpg")
    pipeline.wait_until_empty()
    assert len(pipeline.alerts_of("simultaneous.jpg")) == 1
    assert pipeline.dead_letters.get("simultaneous.jpg") is None


def test_the_record_of_an_alert_is_completed_and_expires(pipeline: Pipeline) -> None:
    pipeline.upload("once.jpg")
    pipeline.wait_for_alert("once.jpg")
    pipeline.wait_until_empty()
    record = table_item(pipeline, pipeline.predictions["once.jpg"].row_key)
    assert {"completed_at", "expires_at"} <= set(record)


def table_item(pipeline: Pipeline, row_key: str) -> dict[str, Any]:
    prediction_id = row_key.rpartition("/")[2].removesuffix(".json")
    item: dict[str, Any] = pipeline.session.local_aws.client("dynamodb").get_item(
        TableName=pipeline.outputs["TableName"], Key={"kind": {"S": "alert"}, "id": {"S": prediction_id}}
    )["Item"]
    return item
