"""Test data, with a default for whatever a test does not care about."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from chalicelib.domain.images import ImageReference
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rules import LabelOfInterest, Rules

NOW = datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC)
MODEL = "arn:aws:rekognition:eu-west-1:123456789012:project/rice/version/rice.1/1700000000000"

ENVIRONMENT = {
    "CustomModelARN": MODEL,
    "LabelsofInterest": "bacterial-leaf-blight, leaf-smut:90",
    "MinConfidence": "80",
    "InputBucketName": "images",
    "OutputBucketName": "predictions",
    "WORKSPACE_BUCKET": "predictions-workspace",
    "IMAGES_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:images",
    "IMAGES_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/images",
    "IMAGES_DEAD_LETTERS_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/images-dead",
    "PREDICTIONS_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:predictions",
    "PREDICTIONS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/predictions",
    "PREDICTIONS_DEAD_LETTERS_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/predictions-dead",
    "ALERTS_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:alerts",
    "OPERATIONS_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:operations",
    "EmailNotification": "grower@example.com",
    "STACK_NAME": "labelwatch",
    "TABLE_NAME": "labelwatch-table",
}


def s3_record(key: str = "leaf.jpg", **changes: Any) -> dict[str, Any]:
    """One record as S3 sends it; the key is given decoded."""
    event_object = {"key": quote_plus(key, safe="/"), "size": 1024, "eTag": "event-etag", "versionId": "v1"}
    record: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": changes.pop("bucket", "images")},
            "object": event_object | changes.pop("object", {}),
        },
    }
    return record | changes


def notification(*records: dict[str, Any]) -> str:
    """An event notification as it stands in an SQS body."""
    return json.dumps({"Records": list(records)})


def message(body: str = "", message_id: str = "m1", receives: int = 1, sent: datetime = NOW) -> Message:
    return Message(message_id, body, f"receipt-{message_id}", receives, sent)


def image(key: str = "leaf.jpg", **changes: Any) -> ImageReference:
    fields: dict[str, Any] = {
        "bucket": "images",
        "key": key,
        "version_id": "v1",
        "etag": "0123456789abcdef",
        "size": 1024,
        "content_type": "image/jpeg",
        "metadata": {"field": "7"},
        "uploaded_at": NOW,
    }
    return ImageReference(**fields | changes)


def prediction(*labels: Label, key: str = "leaf.jpg", **changes: Any) -> Prediction:
    fields: dict[str, Any] = {"model": MODEL, "min_confidence": 80.0, "detected_at": NOW}
    return Prediction(image=changes.pop("image", image(key)), labels=labels, **fields | changes)


def rules(*labels: tuple[str, float | None], min_confidence: float = 80) -> Rules:
    """Each label of interest with its threshold, None for the general one."""
    return Rules(tuple(LabelOfInterest(*label) for label in labels), min_confidence)


def sqs_event(*messages: Message) -> dict[str, Any]:
    """The event by which Lambda invokes a function with a batch of these messages."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    "SentTimestamp": str(int(message.sent.timestamp() * 1000)),
                    "ApproximateFirstReceiveTimestamp": "1763805600000",
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:images",
                "awsRegion": "eu-west-1",
            }
            for message in messages
        ]
    }


def scheduled_event() -> dict[str, Any]:
    """As EventBridge sends it: https://docs.aws.amazon.com/lambda/latest/dg/with-scheduled-events.html."""
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-22T10:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/check_subscriptions"],
        "detail": {},
    }
