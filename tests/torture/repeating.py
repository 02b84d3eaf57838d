"""Repeats event notifications between S3 and the images queue: each as S3 wrote it, several times, out of order."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import batched
from threading import Event
from typing import Any

from labelwatch.local.session import INPUT_BUCKET, Session

QUEUE = "torture-events"
# A copy follows the first within this time, and usually from another sender.
WINDOW_SECONDS = 0.5
SENDERS = 4


@contextmanager
def repeated_events(session: Session, copies: Callable[[str], int], count: Callable[[int], object]) -> Iterator[None]:
    """While the block lasts, the bucket notifies another queue, and so many copies of each body go to the images queue.

    `count` gets how many more were sent than received.
    """
    s3, sqs = session.local_aws.client("s3"), session.local_aws.client("sqs")
    url, arn = _queue(sqs)
    configurations = s3.get_bucket_notification_configuration(Bucket=INPUT_BUCKET)["QueueConfigurations"]
    _notify(s3, [{**configuration, "QueueArn": arn} for configuration in configurations])
    over = Event()
    with ThreadPoolExecutor(SENDERS + 1) as pool:

        def forward(bodies: list[str], order: random.Random) -> None:
            messages = [body for body in bodies for _ in range(copies(body))]
            count(len(messages) - len(bodies))
            order.shuffle(messages)
            list(pool.map(lambda chunk: _send(sqs, session.outputs["ImagesQueueUrl"], chunk), batched(messages, 10)))

        def forward_until_over() -> None:
            order = random.Random(1)
            while (bodies := _window(sqs, url)) or not over.is_set():
                forward(bodies, order)

        forwarding = pool.submit(forward_until_over)
        try:
            yield
        finally:
            _notify(s3, configurations)
            over.set()
            forwarding.result()


def _queue(sqs: Any) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    return url, arn


def _notify(s3: Any, queues: list[dict[str, Any]]) -> None:
    s3.put_bucket_notification_configuration(
        Bucket=INPUT_BUCKET, NotificationConfiguration={"QueueConfigurations": queues}
    )


def _window(sqs: Any, url: str) -> list[str]:
    """The bodies that arrive within the window after the first; empty where none arrives within a second."""
    bodies = _received(sqs, url)
    until = time.monotonic() + WINDOW_SECONDS
    while bodies and time.monotonic() < until:
        bodies += _received(sqs, url)
    return bodies


def _received(sqs: Any, url: str) -> list[str]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    if messages:
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return [message["Body"] for message in messages]


def _send(sqs: Any, url: str, bodies: tuple[str, ...]) -> None:
    entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
