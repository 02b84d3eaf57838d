"""The queues, topics and functions that a bucket notifies."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.shared.account import Account

KINDS = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
MISSING = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "NotFound",
    "NotFoundException",
    "ResourceNotFoundException",
}


def of(notifications: dict[str, Any]) -> list[str]:
    """The ARN of each target, once."""
    return list(dict.fromkeys(target for target, _ in _configurations(notifications)))


def of_new_objects(notifications: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The ARN of each target that is notified of new objects, with the first event that it gets for them."""
    for target, events in _configurations(notifications):
        created = [event for event in events if event.startswith("s3:ObjectCreated:")]
        if created:
            yield target, created[0]


def exists(account: Account, arn: str) -> bool | None:
    """Whether the queue, topic or function exists; None where it cannot be read, or is of another account."""
    _, _, service, _, owner, name = arn.split(":", 5)
    if owner != account.id:
        return None
    client = account.client(service)
    try:
        match service:
            case "sqs":
                client.get_queue_url(QueueName=name)
            case "sns":
                client.get_topic_attributes(TopicArn=arn)
            case _:
                client.get_function_configuration(FunctionName=arn)
    except ClientError as problem:
        return False if problem.response["Error"]["Code"] in MISSING else None
    return True


def _configurations(notifications: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for kind in KINDS:
        for configuration in notifications.get(kind, []):
            yield next(value for key, value in configuration.items() if key.endswith("Arn")), configuration["Events"]
