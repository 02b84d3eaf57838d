"""The mailbox: a subscriber of the topic that saves each alert as an .eml file."""

import email.utils
import json
import re
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from threading import Event, Thread
from typing import Any

from msgspec import Struct

QUEUE = "labelwatch-mailbox"
SENDER = "Labelwatch <no-reply@sns.local>"


class Mail(Struct, frozen=True):
    """One alert as it arrived: its subject, its row keys, and the file that a mail program opens."""

    subject: str
    predictions: frozenset[str]
    file: Path


class Mailbox:
    """Subscribes a queue to the topic and saves its messages in a folder, until it is closed."""

    def __init__(self, sqs: Any, sns: Any, topic_arn: str, address: str, folder: Path) -> None:  # noqa: ANN401
        self.mails: list[Mail] = []
        self._sqs = sqs
        self._address = address
        self._folder = folder
        self._closed = Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._queue = self._subscribe(sns, topic_arn)
        self._thread = Thread(target=self._receive_until_closed, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops receiving."""
        self._closed.set()
        self._thread.join()

    def _subscribe(self, sns: Any, topic_arn: str) -> str:  # noqa: ANN401
        url: str = self._sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
        return url

    def _receive_until_closed(self) -> None:
        while not self._closed.is_set():
            answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.mails.append(self._saved(json.loads(message["Body"])))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    def _saved(self, envelope: dict[str, Any]) -> Mail:
        subject = subject_of(envelope)
        name = re.sub(r"[^\w.-]+", "-", subject).strip("-.")[:80]
        file = self._folder / f"{len(self.mails) + 1:03d}-{name}.eml"
        file.write_bytes(as_eml(envelope, self._address))
        return Mail(subject, predictions_of(envelope), file)


def subject_of(envelope: dict[str, Any]) -> str:
    """The subject; SNS uses this default for messages published without a subject."""
    return envelope.get("Subject") or "AWS Notification Message"


def predictions_of(envelope: dict[str, Any]) -> frozenset[str]:
    """The row keys of the predictions in the message; none where it is not an alert of Labelwatch."""
    attribute = envelope.get("MessageAttributes", {}).get("predictions", {})
    return frozenset(json.loads(attribute.get("Value", "[]")))


def as_eml(envelope: dict[str, Any], address: str) -> bytes:
    """The envelope that SNS sends to a queue, as the mail that SNS would send."""
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = address
    mail["Subject"] = subject_of(envelope)
    mail["Date"] = email.utils.format_datetime(datetime.fromisoformat(envelope["Timestamp"]))
    mail["Message-ID"] = f"<{envelope['MessageId']}@sns.local>"
    mail.set_content(envelope["Message"])
    # Not folded, since some readers keep the blank of the fold; SNS limits a subject to 100 characters.
    return mail.as_bytes(policy=mail.policy.clone(max_line_length=150))
