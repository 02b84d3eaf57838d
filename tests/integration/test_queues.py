"""The reader of queues on moto: what other consumers hide, and when it must end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from labelwatch.shared.queues import QueueReader, ReceiveOptions, queue_depth

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def url(sqs: SQSClient) -> str:
    """A queue with two messages."""
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    for body in ("first", "second"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return url


def hide_a_message(sqs: SQSClient, url: str, seconds: int) -> None:
    """As another consumer does."""
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=seconds)


def test_the_depth_counts_visible_delayed_and_in_flight_messages(sqs: SQSClient, url: str) -> None:
    hide_a_message(sqs, url, 60)
    sqs.send_message(QueueUrl=url, MessageBody="third", DelaySeconds=60)
    assert queue_depth(sqs, url) == 3


def test_a_patient_reader_waits_for_messages_that_another_consumer_hides(sqs: SQSClient, url: str) -> None:
    hide_a_message(sqs, url, 3)
    reader = QueueReader(sqs, url, ReceiveOptions(hidden_seconds=60, patience_seconds=20))
    reader.receive_all()
    assert (len(reader.messages), reader.hidden_by_others) == (2, 0)


def test_patience_ends(sqs: SQSClient, url: str) -> None:
    hide_a_message(sqs, url, 60)
    started_at = time.monotonic()
    reader = QueueReader(sqs, url, ReceiveOptions(hidden_seconds=60, patience_seconds=2, long_poll_seconds=0))
    reader.receive_all()
    assert (len(reader.messages), reader.hidden_by_others) == (1, 1)
    assert 2 <= time.monotonic() - started_at < 10


def test_receiving_ends_when_the_first_messages_may_have_become_visible(sqs: SQSClient, url: str) -> None:
    seconds = iter(range(100))  # passing one with each look at the clock
    reader = QueueReader(sqs, url, ReceiveOptions(hidden_seconds=1, limit=1000), lambda: next(seconds))
    reader.receive_all()
    assert (reader.messages, reader.hidden_by_others, reader.is_expired) == ({}, 2, True)


def test_a_released_message_is_visible_and_a_deleted_one_is_not_there(sqs: SQSClient, url: str) -> None:
    reader = QueueReader(sqs, url, ReceiveOptions(hidden_seconds=60))
    reader.receive_all()
    first, second = reader.messages.values()
    assert reader.delete([first["MessageId"]]) == {}
    assert reader.release() == {}
    assert [message["Body"] for message in sqs.receive_message(QueueUrl=url)["Messages"]] == [second["Body"]]
    assert queue_depth(sqs, url) == 1
