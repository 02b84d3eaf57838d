"""Event notifications on their way from S3 to the images queue: each as S3 wrote it, but oftener, and in disorder."""

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
# A repeat comes within this time of its first, and is sent by another of these as a rule.
WINDOW_SECONDS = 0.5
SENDERS = 4


@contextmanager
def repeated(session: Session, times: Callable[[str], int], count: Callable[[int], object]) -> Iterator[None]:
    """While the block lasts, the bucket tells a queue of ours; from there each body goes on so many times.

    `count` is told how many more went on than came.
    """
    s3, sqs = session.local_aws.client("s3"), session.local_aws.client("sqs")
    url, arn = _queue(sqs)
    told = s3.get_bucket_notification_configuration(Bucket=INPUT_BUCKET)["QueueConfigurations"]
    _notify(s3, [{**one, "QueueArn": arn} for one in told])
    over = Event()
    with ThreadPoolExecutor(SENDERS + 1) as pool:

        def pass_on(bodies: list[str], dice: random.Random) -> None:
            copies = [body for body in bodies for _ in range(times(body))]
            count(len(copies) - len(bodies))
            dice.shuffle(copies)
            list(pool.map(lambda few: _send(sqs, session.outputs["ImagesQueueUrl"], few), batched(copies, 10)))

        def keep_passing_on() -> None:
            dice = random.Random(1)
            while (bodies := _window(sqs, url)) or not over.is_set():
                pass_on(bodies, dice)

        passing = pool.submit(keep_passing_on)
        try:
            yield
        finally:
            _notify(s3, told)
            over.set()
            passing.result()


def _queue(sqs: Any) -> tuple[str, str]:
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3 = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [s3]})}
    )
    return url, arn


def _notify(s3: Any, queues: list[dict[str, Any]]) -> None:
    s3.put_bucket_notification_configuration(
        Bucket=INPUT_BUCKET, NotificationConfiguration={"QueueConfigurations": queues}
    )


def _window(sqs: Any, url: str) -> list[str]:
    """What comes within the window after the first, which may take a second to come; nothing, where nothing does."""
    bodies = _received(sqs, url)
    until = time.monotonic() + WINDOW_SECONDS
    while bodies and time.monotonic() < until:
        bodies += _received(sqs, url)
    return bodies


def _received(sqs: Any, url: str) -> list[str]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    if messages:
        entries = [{"Id": str(place), "ReceiptHandle": one["ReceiptHandle"]} for place, one in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return [one["Body"] for one in messages]


def _send(sqs: Any, url: str, bodies: tuple[str, ...]) -> None:
    entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
