"""The status of a deployment on one screen: a value for each line, and what could not be read."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec

from chalicelib.adapters.dynamodb import LinkTable
from chalicelib.settings import GENERAL_MODEL
from labelwatch.doctor.check import AWS_ERRORS, outcome_of
from labelwatch.doctor.deployment import Deployment
from labelwatch.doctor.model import PAUSED, POLLED
from labelwatch.shared import formats, image_limit, stacks
from labelwatch.shared.account import Account
from labelwatch.shared.queues import queue_depth
from labelwatch.shared.stacks import Stack
from labelwatch.subscriptions import State, Subscribers, Topic

READS_AT_ONCE = 8

type Value = str | int


class Status(msgspec.Struct, frozen=True):
    """Each value by its name, with None where it could not be read, and the reasons for that."""

    stack: str
    region: str
    values: dict[str, Value | None]
    unreadable: dict[str, str]

    def as_text(self) -> str:
        """A line for each value."""
        lines = [f"Stack: {self.stack} in {self.region}"]
        for name, value in self.values.items():
            number = f"{value:,}" if isinstance(value, int) else value
            title = name.replace("_", " ").replace("today", "today (UTC)")
            lines.append(f"{title[0].upper()}{title[1:]}: {number or self.unreadable.get(name, 'none')}")
        return "\n".join(lines) + "\n"

    def as_json(self) -> str:
        """One object, with the values and the reasons as objects."""
        return formats.as_json(self)


def read_status(account: Account, name: str) -> Status:
    """The status of the stack; raises UserError where it does not exist."""
    values = stacks.outputs(account.client("cloudformation"), name, "ImagesQueueUrl", "TableName")
    deployment = Deployment(account, name, Stack("", {}, values))
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        read = dict(zip(READERS, pool.map(lambda reader: _read(reader, deployment), READERS.values()), strict=True))
    return Status(
        name,
        account.region,
        {key: value for key, (value, _) in read.items()},
        {key: reason for key, (_, reason) in read.items() if reason},
    )


def _read(reader: Callable[[Deployment], Value], deployment: Deployment) -> tuple[Value | None, str]:
    try:
        return reader(deployment), ""
    except AWS_ERRORS as problem:
        return None, outcome_of(problem).found


def _model(deployment: Deployment) -> str:
    if not deployment.uses_custom_model:
        return GENERAL_MODEL
    return str(deployment.model.get("Status", "not found"))


def _polling(deployment: Deployment) -> str:
    states = [mapping["State"] for mapping in deployment.mappings("ImagesQueueArn")]
    return ", ".join("on" if state in POLLED else "paused" if state in PAUSED else state for state in states) or "off"


def _depth(output: str) -> Callable[[Deployment], int]:
    return lambda deployment: queue_depth(deployment.client("sqs"), deployment.values[output])


def _subscribers(pick: Callable[[Subscribers], Topic]) -> Callable[[Deployment], str]:
    def read(deployment: Deployment) -> str:
        subscribers = Subscribers(deployment.client("sns"), deployment.name, deployment.values)
        states = [item.state for item in subscribers.subscriptions(pick(subscribers))]
        unconfirmed = states.count(State.UNCONFIRMED)
        confirmed = len(states) - unconfirmed - states.count(State.REMOVED)
        return f"{confirmed} confirmed, {unconfirmed} unconfirmed"

    return read


def _images_today(deployment: Deployment) -> int:
    pages = deployment.client("s3").get_paginator("list_objects_v2")
    prefix = f"predictions/dt={_today()}/"
    return sum(page["KeyCount"] for page in pages.paginate(Bucket=deployment.values["OutputBucket"], Prefix=prefix))


def _alerts_today(deployment: Deployment) -> int:
    pages = (
        deployment.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=deployment.values["TableName"],
            Select="COUNT",
            KeyConditionExpression="kind = :kind",
            FilterExpression="completed_at >= :today",
            ExpressionAttributeValues={":kind": {"S": "alert"}, ":today": {"S": _today()}},
        )
    )
    return sum(page["Count"] for page in pages)


def _image_limit(deployment: Deployment) -> str:
    return str(image_limit.images_today(deployment.client("dynamodb"), deployment.values))


def _picture_links(deployment: Deployment) -> int:
    links = LinkTable(deployment.client("dynamodb"), deployment.values["TableName"]).all()
    now = datetime.now(UTC)
    return sum(link.expires_at > now for link in links)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


READERS: dict[str, Callable[[Deployment], Value]] = {
    "model": _model,
    "polling": _polling,
    "images_waiting": _depth("ImagesQueueUrl"),
    "predictions_waiting": _depth("PredictionsQueueUrl"),
    "image_dead_letters": _depth("ImagesDeadLettersUrl"),
    "prediction_dead_letters": _depth("PredictionsDeadLettersUrl"),
    "subscribers_of_alerts": _subscribers(lambda subscribers: subscribers.alerts),
    "subscribers_of_alarms": _subscribers(lambda subscribers: subscribers.operations),
    "image_limit_today": _image_limit,
    "images_predicted_today": _images_today,
    "images_alerted_today": _alerts_today,
    "picture_links": _picture_links,
}
