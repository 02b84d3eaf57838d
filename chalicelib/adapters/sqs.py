"""SQS: queues and dead-letter queues.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.adapters.faults import raising_faults, retryable_fault
from chalicelib.domain.errors import Fault, Rejected, Retryable
from chalicelib.domain.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType as QueueAttributeFilterType
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

MAX_MESSAGES = 10
MAX_BYTES = 1024 * 1024
LONGEST_DETAIL = 1000
_SENDING_ROUNDS = 3
_ALL_MESSAGES: list[QueueAttributeFilterType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


class Queue:
    """One queue: to send messages to, or as the source of a batch."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends the bodies in as few calls as possible; returns the faults of those that were not sent, by index."""
        faults: dict[int, Fault] = {
            index: Rejected("MessageTooLarge", f"The message has {_size(body)} bytes; SQS accepts {MAX_BYTES}")
            for index, body in enumerate(bodies)
            if _size(body) > MAX_BYTES
        }
        sendable = [index for index in range(len(bodies)) if index not in faults]
        for indexes in _packed(sendable, bodies):
            faults |= self._send(indexes, bodies)
        return faults

    def _send(self, indexes: Sequence[int], bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends one call's bodies; SQS may take some of them and fail others, which are sent once more."""
        failed: dict[int, Fault] = {}
        for _ in range(_SENDING_ROUNDS):
            try:
                with raising_faults():
                    answer = self._client.send_message_batch(
                        QueueUrl=self._url,
                        Entries=[{"Id": str(index), "MessageBody": bodies[index]} for index in indexes],
                    )
            except Fault as fault:
                return dict.fromkeys(indexes, fault)
            failed = {int(entry["Id"]): _fault(entry) for entry in answer.get("Failed", [])}
            if not failed:
                break
            indexes = list(failed)
        return failed

    def waiting(self) -> int:
        """About how many messages are in the queue: available, in flight or delayed."""
        with raising_faults():
            attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=_ALL_MESSAGES)
        return sum(map(int, attributes["Attributes"].values()))

    def receive(self, hidden_seconds: int) -> Message | None:
        """Receives one message and hides it for so long; None where no message is visible."""
        with raising_faults():
            received = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=1,  # a short poll would query some of SQS's servers only
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            ).get("Messages", [])
        return _message(received[0]) if received else None

    def delete(self, messages: Sequence[Message]) -> None:
        """Deletes the messages; raises Retryable where some of them are still there."""
        faults = [fault for chunk in batched(messages, MAX_MESSAGES) for fault in self._delete(chunk)]
        if faults:
            raise Retryable(faults[0].reason, f"{len(faults)} messages were not deleted: {faults[0].detail}")

    def _delete(self, messages: Sequence[Message]) -> list[Fault]:
        try:
            with raising_faults():
                answer = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": message.receipt_handle}
                        for index, message in enumerate(messages)
                    ],
                )
        except Fault as fault:
            return [fault] * len(messages)
        return [_fault(entry) for entry in answer.get("Failed", [])]

    def delay(self, message: Message, seconds: int) -> None:
        """Hides the message for so long before it comes back."""
        with raising_faults():
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
            )


class DeadLetterQueue:
    """One dead-letter queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, message: Message, fault: Fault, image: str) -> None:
        """Sends a copy with the attributes `reason`, `detail`, `disposition` and `image` (percent-encoded)."""
        attributes = {
            "reason": fault.reason,
            "detail": _printable(fault.detail),
            # Whether all tries failed or the image can never be analysed: the reason alone does not say.
            "disposition": fault.disposition,
            "image": quote(image, safe=":/"),
        }
        with raising_faults():
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=message.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value or "unknown"}
                    for name, value in attributes.items()
                },
            )


def _message(received: MessageTypeDef) -> Message:
    attributes = received["Attributes"]
    return Message(
        id=received["MessageId"],
        body=received["Body"],
        receipt_handle=received["ReceiptHandle"],
        receives=int(attributes["ApproximateReceiveCount"]),
        sent=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
    )


def _packed(indexes: Iterable[int], bodies: Sequence[str]) -> Iterator[list[int]]:
    """The indexes of each call, in as few calls as SQS allows: ten messages, one MiB in all."""
    pack: list[int] = []
    size = 0
    for index in indexes:
        if pack and (len(pack) == MAX_MESSAGES or size + _size(bodies[index]) > MAX_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(index)
        size += _size(bodies[index])
    if pack:
        yield pack


def _fault(entry: BatchResultErrorEntryTypeDef) -> Retryable:
    """The fault of one message in a call that SQS took otherwise."""
    return retryable_fault(entry["Code"], entry.get("Message", ""), by_service=not entry["SenderFault"])


def _size(body: str) -> int:
    return len(body.encode())


def _printable(text: str) -> str:
    """The text in characters that SQS takes, and no longer than a person reads."""
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_DETAIL]
