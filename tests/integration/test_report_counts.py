"""The counts of alerts and dead letters in the report, on moto."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.adapters.dynamodb import IdempotencyTable
from labelwatch.analytics import Narrowing
from labelwatch.report.counts import ALERTED, DEAD_LETTERS, OUTPUTS, UNKNOWN, count_alerted, note, outcome_figures
from tests.integration.conftest import TABLE
from tests.support.fake_account import client_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

TIMES = [datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((1, 0), (1, 23), (2, 0), (3, 12))]


@pytest.fixture
def alerted(dynamodb: DynamoDBClient) -> DynamoDBClient:
    """Four published alerts, an alert in progress, and a completed record of a dead letter."""
    alerts, others = (IdempotencyTable(dynamodb, TABLE, kind) for kind in ("alert", "dead-letter"))
    for number, moment in enumerate(TIMES):
        alerts.acquire(f"{number}", "somebody", moment, moment + timedelta(seconds=65))
        alerts.complete(f"{number}", moment)
    alerts.acquire("late", "somebody", TIMES[0], TIMES[0] + timedelta(seconds=65))
    others.acquire("other", "somebody", TIMES[0], TIMES[0] + timedelta(seconds=65))
    others.complete("other", TIMES[0])
    return dynamodb


@pytest.mark.parametrize(
    ("first", "last", "count"), [(None, None, 4), (2, None, 2), (None, 1, 2), (2, 2, 1), (1, 3, 4), (4, None, 0)]
)
def test_alerts_are_counted_on_these_days(
    alerted: DynamoDBClient, first: int | None, last: int | None, count: int
) -> None:
    first_day, last_day = (date(2026, 11, day) if day else None for day in (first, last))
    assert count_alerted(alerted, TABLE, Narrowing(first_day, last_day)) == count


def test_alerts_are_counted_on_every_page_of_the_answer(alerted: DynamoDBClient) -> None:
    records = IdempotencyTable(alerted, TABLE, "alert")
    for number in range(3):  # more than DynamoDB's page of 1 MB
        records.acquire(f"large {number}", "x" * 390_000, TIMES[0], TIMES[0] + timedelta(seconds=65))
        records.complete(f"large {number}", TIMES[0])
    assert count_alerted(alerted, TABLE, Narrowing()) == 7


def test_the_figures_are_alerts_and_both_queues_or_nothing_for_some_labels_or_sources(
    alerted: DynamoDBClient, sqs: SQSClient
) -> None:
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("images", "predictions")]
    for url in (urls[0], urls[0], urls[1]):
        sqs.send_message(QueueUrl=url, MessageBody="dead")
    clients = {"dynamodb": alerted, "sqs": sqs}
    outputs = dict(zip(OUTPUTS, [TABLE, *urls], strict=True))
    assert outcome_figures(clients.__getitem__, outputs, Narrowing()) == {ALERTED: "4", DEAD_LETTERS: "3"}
    assert outcome_figures(clients.__getitem__, outputs, Narrowing(labels=["leaf-smut"])) == {}
    assert outcome_figures(clients.__getitem__, outputs, Narrowing(sources=["field-1"])) == {}


class Denied:
    """A client of which nothing is allowed."""

    def __getattr__(self, name: str) -> Any:
        raise client_error("AccessDenied")


def test_a_count_that_aws_refuses_is_unknown() -> None:
    outputs = dict.fromkeys(OUTPUTS, "x")
    assert set(outcome_figures(lambda _: Denied(), outputs, Narrowing()).values()) == {UNKNOWN}


def test_the_note_says_how_long_predictions_are_kept_where_they_expire() -> None:
    assert "365 days" in note({"PredictionDays": "365"})
    assert note({"PredictionDays": "0"}) == note({})
