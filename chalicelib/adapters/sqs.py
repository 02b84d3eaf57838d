"""The queues.

Limits: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.adapters.faults import retryable, told_as_faults
from chalicelib.domain.errors import Fault, Rejected, Retryable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType as QueueAttributeFilterType
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

    from chalicelib.domain.messages import Message

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
    """One queue: as an outbox to send to, or as the source of a batch."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends the bodies in as few calls as can be; gives the faults of those that did not go, by their places."""
        faults: dict[int, Fault] = {
            place: Rejected("MessageTooLarge", f"{_size(body)} bytes, and SQS takes {MAX_BYTES} at most")
            for place, body in enumerate(bodies)
            if _size(body) > MAX_BYTES
        }
        sendable = [place for place in range(len(bodies)) if place not in faults]
        for places in _packed(sendable, bodies):
            faults |= self._send(places, bodies)
        return faults

    def _send(self, places: Sequence[int], bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends one call's worth; SQS may take some of the messages and not others, and those are sent again."""
        failed: dict[int, Fault] = {}
        for _ in range(_SENDING_ROUNDS):
            try:
                with told_as_faults():
                    answer = self._client.send_message_batch(
                        QueueUrl=self._url,
                        Entries=[{"Id": str(place), "MessageBody": bodies[place]} for place in places],
                    )
            except Fault as fault:
                return dict.fromkeys(places, fault)
            refused = answer.get("Failed", [])
            failed = {int(entry["Id"]): _fault(entry) for entry in refused}
            if not failed:
                break
            places = list(failed)
        return failed

    def waiting(self) -> int:
        """About how many messages it holds, in sight or not."""
        with told_as_faults():
            attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=_ALL_MESSAGES)
        return sum(map(int, attributes["Attributes"].values()))

    def delete(self, messages: Sequence[Message]) -> None:
        """Takes the messages away; raises Retryable where some of them are still there."""
        faults = [fault for few in batched(messages, MAX_MESSAGES) for fault in self._delete(few)]
        if faults:
            raise Retryable(faults[0].reason, f"{len(faults)} messages are still there: {faults[0].detail}")

    def _delete(self, messages: Sequence[Message]) -> list[Fault]:
        try:
            with told_as_faults():
                answer = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": one.receipt_handle} for place, one in enumerate(messages)
                    ],
                )
        except Fault as fault:
            return [fault] * len(messages)
        return [_fault(entry) for entry in answer.get("Failed", [])]

    def delay(self, message: Message, seconds: int) -> None:
        """Hides the message for so long before it comes back."""
        with told_as_faults():
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message.receipt_handle, VisibilityTimeout=seconds
            )


class DeadLetterQueue:
    """Where messages are set aside, each with its reason."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def put(self, message: Message, fault: Fault, image: str) -> None:
        """Keeps a copy with the attributes `reason`, `detail`, `disposition` and `image` (percent-encoded)."""
        attributes = {
            "reason": fault.reason,
            "detail": _sayable(fault.detail),
            "disposition": fault.fate,  # whether it was given up or can never be done: the reason alone does not say
            "image": quote(image, safe=":/"),
        }
        with told_as_faults():
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=message.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value or "unknown"}
                    for name, value in attributes.items()
                },
            )


def _packed(places: Iterable[int], bodies: Sequence[str]) -> Iterator[list[int]]:
    """The places in as few calls as SQS allows: ten messages, one MiB in all."""
    pack: list[int] = []
    size = 0
    for place in places:
        if pack and (len(pack) == MAX_MESSAGES or size + _size(bodies[place]) > MAX_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(place)
        size += _size(bodies[place])
    if pack:
        yield pack


def _fault(entry: BatchResultErrorEntryTypeDef) -> Retryable:
    """What one message of a call met that SQS took otherwise."""
    return retryable(entry["Code"], entry.get("Message", ""), by_service=not entry["SenderFault"])


def _size(body: str) -> int:
    return len(body.encode())


def _sayable(text: str) -> str:
    """The text in the characters that SQS takes, and no longer than a person reads."""
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_DETAIL]
