"""Checks of the queues: their settings, event notifications, waiting messages and dead letters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.deploy import functions, resources
from labelwatch.doctor.check import MISSING, Outcome, failed, passed, warned
from labelwatch.doctor.deployment import REVERT_DRIFT, Deployment
from labelwatch.doctor.policies import allows_bucket, refuses_plain_http
from labelwatch.shared.queues import queue_depth
from labelwatch.shared.text import counted

# Each output that has a queue's URL, with the queue's name for people.
QUEUES = {
    "ImagesQueueUrl": "images queue",
    "PredictionsQueueUrl": "predictions queue",
    "ImagesDeadLettersUrl": "dead-letter queue of the images",
    "PredictionsDeadLettersUrl": "dead-letter queue of the predictions",
}
# The settings with a number. A queue without a delay in the template has none.
SETTINGS = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds")
# The images queue's alarm begins at the same age.
OLD = timedelta(hours=1)


def check_queues(deployment: Deployment) -> Iterator[Outcome]:
    """Whether all queues exist with the template's settings, and move failed messages to their dead-letter queue."""
    properties = {name: resource["Properties"] for name, resource in resources()["Resources"].items()}
    problems = 0
    for output, name in QUEUES.items():
        url = deployment.values[output]
        try:
            answer = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except ClientError as refusal:
            if not MISSING.search(refusal.response["Error"]["Code"]):
                raise
            problems += 1
            yield failed(f"The {name} does not exist.", REVERT_DRIFT)
            continue
        expected = {"DelaySeconds": 0} | properties[output.removesuffix("Url")]
        for problem in (
            *_queue_problems(deployment, output, answer["Attributes"]),
            *_differing(deployment, output, answer["Attributes"], expected),
        ):
            problems += 1
            yield failed(
                f"The {name} {problem}.", "Restore the setting in the SQS console, as in infra/resources.yaml."
            )
    if not problems:
        yield passed(f"{len(QUEUES)} queues with the template's settings and policies.")


def check_notifications(deployment: Deployment) -> Iterator[Outcome]:
    """Whether S3 notifies the pipeline of new images, in the input bucket and in an existing bucket."""
    values = deployment.values
    expected = {values["InputBucket"]: values["ImagesQueueArn"]}
    if deployment.existing_bucket:
        expected[deployment.existing_bucket] = f":function:{functions.chalice_name(deployment.name, 'ingest')}"
    missing = [name for name, target in expected.items() if not _notifies(deployment, name, target)]
    for name in missing:
        yield failed(
            f"Bucket {name} sends no event for new images to {expected[name].rpartition(':')[2]}.",
            f"Restore the event notification in the S3 console, then run `labelwatch backfill s3://{name}"
            f"{deployment.options}`.",
        )
    if not missing:
        yield passed(f"S3 sends an event for each new image in {' and '.join(expected)}.")


def check_waiting(deployment: Deployment) -> Iterator[Outcome]:
    """Whether images wait too long, or messages that are no images.

    By metrics and counts only: receiving a message would count as a try, and after 20 it is a dead letter.
    """
    depth = queue_depth(deployment.client("sqs"), deployment.values["ImagesQueueUrl"])
    age = _oldest_age(deployment) if depth else timedelta()
    waiting = counted(depth, "message")
    if depth and _has_no_image(deployment):
        yield warned(
            f"{waiting} in the images queue, but no image in the input bucket: probably the s3:TestEvent that S3 sends "
            "when a notification is set up.",
            "The function detect deletes the message when the model runs.",
        )
    elif age > OLD:
        yield warned(
            f"{waiting} in the images queue, the oldest for {age.total_seconds() / 3600:.0f} hours.",
            f"Run `labelwatch model start{deployment.options}`, or see the log group "
            f"/aws/lambda/{deployment.name}-detect.",
        )
    else:
        yield passed(f"{waiting} in the images queue.")


def check_dead_letters(deployment: Deployment) -> Iterator[Outcome]:
    """Whether dead letters wait for a person."""
    sqs = deployment.client("sqs")
    counts = {name: queue_depth(sqs, deployment.values[f"{name}DeadLettersUrl"]) for name in ("Images", "Predictions")}
    found = ", ".join(f"{count:,} in the {name.lower()} dead-letter queue" for name, count in counts.items() if count)
    if found:
        yield warned(f"{found}.", f"Run `labelwatch dead-letters list{deployment.options}`.")
    else:
        yield passed("No dead letters.")


def _queue_problems(deployment: Deployment, output: str, attributes: dict[str, str]) -> Iterator[str]:
    policy = json.loads(attributes.get("Policy") or "{}")
    if not refuses_plain_http(policy):
        yield "accepts plain HTTP"
    if output == "ImagesQueueUrl" and not allows_bucket(policy, deployment.values["InputBucket"]):
        yield "does not let the input bucket send messages"
    if not attributes.get("KmsMasterKeyId") and attributes.get("SqsManagedSseEnabled") != "true":
        yield "is not encrypted"


def _differing(
    deployment: Deployment, output: str, attributes: dict[str, str], expected: dict[str, Any]
) -> Iterator[str]:
    """The settings that the template gives another value."""
    for name in (name for name in SETTINGS if name in expected):
        if attributes.get(name) != str(expected[name]):
            yield f"has {name} {attributes.get(name)} instead of {expected[name]}"
    if "RedrivePolicy" not in expected:
        return
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    dead_letters = deployment.values[output.replace("QueueUrl", "DeadLettersUrl")].rpartition("/")[2]
    tries = expected["RedrivePolicy"]["maxReceiveCount"]
    if not redrive:
        yield "has no dead-letter queue"
    elif not redrive["deadLetterTargetArn"].endswith(f":{dead_letters}"):
        yield f"has another dead-letter queue than {dead_letters}"
    elif int(redrive["maxReceiveCount"]) != tries:
        yield f"moves messages to its dead-letter queue after {redrive['maxReceiveCount']} receives instead of {tries}"


def _notifies(deployment: Deployment, bucket: str, target: str) -> bool:
    found = deployment.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    configurations: list[dict[str, Any]] = [
        *found.get("QueueConfigurations", []),
        *found.get("LambdaFunctionConfigurations", []),
    ]
    return any(
        "s3:ObjectCreated:*" in item["Events"]
        and not item.get("Filter")
        and item.get("QueueArn", item.get("LambdaFunctionArn", "")).endswith(target)
        for item in configurations
    )


def _oldest_age(deployment: Deployment) -> timedelta:
    """How long the oldest message has waited, by the queue's metric; none if AWS has no recent value."""
    now = datetime.now(UTC)
    points = deployment.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": deployment.values["ImagesQueueUrl"].rpartition("/")[2]}],
        StartTime=now - timedelta(minutes=20),  # an idle queue's metrics come up to 15 minutes late
        EndTime=now,
        Period=300,
        Statistics=["Maximum"],
    )["Datapoints"]
    return timedelta(seconds=max((point["Maximum"] for point in points), default=0))


def _has_no_image(deployment: Deployment) -> bool:
    """Whether no message can be of an image: the input bucket is empty and the only source."""
    if deployment.existing_bucket:
        return False
    listed = deployment.client("s3").list_objects_v2(Bucket=deployment.values["InputBucket"], MaxKeys=1)
    return not listed.get("KeyCount")
