"""The rights of each function's role: what its code calls, and what it must never be able to do."""

from collections.abc import Iterator
from typing import NamedTuple

TABLE = "arn:{partition}:dynamodb:{region}:{account}:table/{TableName}"
MAPPINGS = "arn:{partition}:lambda:{region}:{account}:event-source-mapping:00000000-0000-0000-0000-000000000000"
DETECT = "arn:{partition}:lambda:{region}:{account}:function:{stack}-detect"
ANYTHING = "*"
S3 = "arn:{partition}:s3:::"
ROW = f"{S3}{{OutputBucket}}/predictions/dt=2026-11-26/row.json"
IMAGE = f"{S3}{{InputBucket}}/field/leaf.jpg"
EXISTING_IMAGE = f"{S3}{{ExistingBucketName}}/field/leaf.jpg"
POLLS = "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes"

LOGS = "arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{function}:log-stream:newest"

LEADING_KEYS, FUNCTION_ARN = "dynamodb:LeadingKeys", "lambda:FunctionArn"


class Context(NamedTuple):
    """A context key with the value that a statement requires, and one that it must refuse."""

    key: str
    value: str
    refused: str


def _kind(kind: str) -> Context:
    """Of the items of one kind in the table."""
    return Context(LEADING_KEYS, kind, "another")


_OF_DETECT = Context(FUNCTION_ARN, DETECT, DETECT.replace("-detect", "-other"))


class Right(NamedTuple):
    """Actions of one service, separated by blanks, on a resource with braces for the stack's values.

    `when` is a condition of the stack.
    """

    actions: str
    resource: str
    context: Context | None = None
    when: str = ""


WRITE_LOGS = Right("logs:PutLogEvents", LOGS)
REQUIRED = {
    "detect": (
        Right(POLLS, "{ImagesQueueArn}"),
        Right("sqs:SendMessage", "{ImagesQueueArn}"),
        Right("sqs:SendMessage", "{PredictionsQueueArn}"),
        Right("sqs:SendMessage", "{ImagesDeadLettersArn}"),
        Right("s3:GetObject s3:GetObjectVersion", IMAGE),
        Right("s3:GetObject s3:GetObjectVersion", EXISTING_IMAGE, when="existing bucket"),
        Right("s3:GetObject", ROW),
        Right("s3:ListBucket", f"{S3}{{InputBucket}}"),
        Right("s3:ListBucket", f"{S3}{{OutputBucket}}"),
        Right("s3:ListBucket", f"{S3}{{ExistingBucketName}}", when="existing bucket"),
        Right("rekognition:DetectLabels", ANYTHING, when="general labels"),
        Right("rekognition:DetectCustomLabels", "{CustomModelARN}", when="custom model"),
        Right("lambda:ListEventSourceMappings", ANYTHING, when="pause"),
        Right("lambda:UpdateEventSourceMapping", MAPPINGS, _OF_DETECT, when="pause"),
        Right("dynamodb:UpdateItem", TABLE, _kind("dead-letter")),
        Right("dynamodb:PutItem", TABLE, _kind("model"), when="idle stop"),
        Right("dynamodb:UpdateItem", TABLE, _kind("image-count"), when="image limit"),
    ),
    "notify": (
        Right(POLLS, "{PredictionsQueueArn}"),
        Right("sqs:SendMessage", "{PredictionsDeadLettersArn}"),
        Right("s3:PutObject", ROW),
        *(Right("dynamodb:UpdateItem", TABLE, _kind(kind)) for kind in ("alert", "test-alert", "dead-letter")),
        Right("sns:Publish", "{AlertsTopicArn}"),
        Right("dynamodb:PutItem", TABLE, _kind("link")),
        Right("lambda:GetPolicy", "arn:{partition}:lambda:{region}:{account}:function:{stack}"),
    ),
    "ingest": (Right("sqs:SendMessage", "{ImagesQueueArn}"),),
    "authorize": (Right("dynamodb:UpdateItem", TABLE, _kind("token")),),
    "api_handler": (
        Right("s3:PutObject", f"{S3}{{InputBucket}}/uploads/client/leaf.jpg"),
        Right("dynamodb:UpdateItem", TABLE, _kind("upload-count")),
        Right("dynamodb:PutItem", TABLE, _kind("upload")),
        Right("dynamodb:GetItem", TABLE, _kind("link")),
        Right("s3:GetObject", ROW),
        Right("s3:GetObjectVersion", IMAGE),
        Right("s3:GetObject s3:GetObjectVersion", EXISTING_IMAGE, when="existing bucket"),
    ),
    "check_subscriptions": (
        Right("sns:GetTopicAttributes sns:ListSubscriptionsByTopic", "{AlertsTopicArn}"),
        Right("sns:GetTopicAttributes sns:ListSubscriptionsByTopic", "{OperationsTopicArn}"),
    ),
    "manage_model": (
        Right("lambda:ListEventSourceMappings", ANYTHING),
        Right("lambda:UpdateEventSourceMapping", MAPPINGS, _OF_DETECT),
        Right("rekognition:DescribeProjects", ANYTHING, when="custom model"),
        Right("rekognition:DescribeProjectVersions", "{project}/1600000000000", when="custom model"),
        Right("rekognition:StartProjectVersion", "{CustomModelARN}", when="start"),
        Right("sqs:ReceiveMessage sqs:ChangeMessageVisibility sqs:DeleteMessage", "{ImagesQueueArn}", when="start"),
        Right("rekognition:StopProjectVersion", "{CustomModelARN}", when="stop"),
        Right("sqs:GetQueueAttributes", "{ImagesQueueArn}", when="custom model"),
        Right("dynamodb:GetItem dynamodb:PutItem", TABLE, _kind("model"), when="custom model"),
        Right("dynamodb:GetItem", TABLE, _kind("image-count"), when="image limit"),
    ),
}
# Of every role.
FORBIDDEN = (
    Right("s3:DeleteObject s3:DeleteObjectVersion", IMAGE),
    Right("s3:DeleteObject", ROW),
    Right("s3:PutObject", IMAGE),
    Right("s3:PutBucketPolicy s3:DeleteBucket", f"{S3}{{InputBucket}}"),
    Right("s3:GetObject", f"{S3}another-bucket/secret.txt"),
    Right("dynamodb:Scan dynamodb:DeleteItem dynamodb:DeleteTable", TABLE),
    Right("sqs:PurgeQueue sqs:DeleteQueue", "{ImagesQueueArn}"),
    Right("sns:Subscribe", "{AlertsTopicArn}"),
    Right("iam:PassRole iam:CreateRole", ANYTHING),
    Right("lambda:InvokeFunction lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration", DETECT),
)


def conditions_of(values: dict[str, str]) -> set[str]:
    """The conditions of the template that hold for these parameters, under their names in `when`."""
    is_custom = values["CustomModelARN"] != "general"
    stops_idle, limits_hours = values["ModelIdleMinutes"] != "0", values["ModelMaxHoursPerMonth"] != "0"
    limits_images = values["MaxImagesPerDay"] != "0"
    holds = {
        "": True,
        "custom model": is_custom,
        "general labels": not is_custom,
        "existing bucket": bool(values.get("ExistingBucketName")),
        "start": is_custom and values["ModelAutoStart"] == "yes",
        "idle stop": is_custom and stops_idle,
        "stop": is_custom and (stops_idle or limits_hours),
        "image limit": limits_images,
        "pause": is_custom or limits_images,
    }
    return {name for name, is_true in holds.items() if is_true}


def required_of(function: str, values: dict[str, str]) -> Iterator[Right]:
    """The rights that the role of the function must have under these parameters."""
    conditions = conditions_of(values)
    yield from (right for right in (*REQUIRED[function], WRITE_LOGS) if right.when in conditions)
