"""Counts beside the predictions: the images in alerts, and the dead letters."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.dynamodb import RECORD_RETENTION
from chalicelib.domain.errors import Fault
from labelwatch.analytics import Narrowing
from labelwatch.shared.queues import queue_depth

# The outputs of a stack with what is counted.
OUTPUTS = ("TableName", "ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")
ALERTED = "alerted images"
DEAD_LETTERS = "dead letters, now"
UNKNOWN = "unknown"
NOTE = (
    "Each uploaded image becomes a prediction or a dead letter. Alerted images are counted by the day of their alert, "
    f"for at most {RECORD_RETENTION.days} days. Dead letters are those in the queues now, of all days."
)

_EXPIRY = " The stack keeps predictions for {} days: older predictions are not counted."


def note(outputs: Mapping[str, str]) -> str:
    """What the figures count, and how long the stack of these outputs keeps predictions."""
    days = outputs.get("PredictionDays", "0")
    return NOTE + (_EXPIRY.format(days) if days != "0" else "")


def outcome_figures(client: Callable[[str], Any], outputs: Mapping[str, str], narrowing: Narrowing) -> dict[str, str]:
    """The figures by name; UNKNOWN where AWS refuses the call. Alerts and dead letters have no labels or sources."""
    if narrowing.labels or narrowing.sources:
        return {}
    table, *queues = (outputs[name] for name in OUTPUTS)
    return {
        ALERTED: _figure(lambda: count_alerted(client("dynamodb"), table, narrowing)),
        DEAD_LETTERS: _figure(lambda: sum(queue_depth(client("sqs"), url) for url in queues)),
    }


def count_alerted(dynamodb: Any, table: str, narrowing: Narrowing) -> int:  # noqa: ANN401 - the client of any endpoint
    """How many predictions have been in an alert on these days, by their idempotency records."""
    first = f"{narrowing.first or dt.date.min}"
    after = f"{narrowing.last + dt.timedelta(days=1) if narrowing.last else dt.date.max}"
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="kind = :alert",
        FilterExpression="completed_at >= :first AND completed_at < :after",
        ExpressionAttributeValues={":alert": {"S": "alert"}, ":first": {"S": first}, ":after": {"S": after}},
        Select="COUNT",
    )
    return sum(page["Count"] for page in pages)


def _figure(count: Callable[[], int]) -> str:
    try:
        return f"{count():,}"
    except (ClientError, Fault):
        return UNKNOWN
