"""SQS queues as commands read them: how many messages a queue holds, and their content, without consuming any."""

import time
from collections.abc import Callable, Sequence
from itertools import batched
from typing import Any, NamedTuple

from chalicelib.adapters.faults import raising_faults
from chalicelib.adapters.sqs import MAX_MESSAGES, Queue
from chalicelib.domain.errors import Fault
from labelwatch.shared.interrupts import uninterrupted

# SQS allows 120,000 messages of a queue in flight:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_IN_FLIGHT = 100_000
_EMPTY_RECEIVES = 2

type Message = dict[str, Any]


def queue_depth(sqs: Any, url: str) -> int:  # noqa: ANN401 - the client of any endpoint
    """About how many messages the queue holds: visible, in flight and delayed."""
    return Queue(sqs, url).waiting()


class ReceiveOptions(NamedTuple):
    """How a queue is read.

    Received messages are hidden from other consumers for `hidden_seconds`, which must be enough for all that happens
    before their release: a process that is killed cannot release anything. While other consumers hide messages, the
    reader waits for these up to `patience_seconds`. At most `limit` messages are received.
    """

    hidden_seconds: int
    patience_seconds: float = 0
    long_poll_seconds: int = 1
    limit: int = MAX_IN_FLIGHT


class QueueReader:
    """Receives each visible message of a queue once; `release` makes those that were not deleted visible again."""

    def __init__(
        self,
        sqs: Any,  # noqa: ANN401 - the client of any endpoint
        url: str,
        options: ReceiveOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sqs = sqs
        self._url = url
        self._options = options
        self._clock = clock
        self._started_at: float | None = None
        # By message id.
        self.messages: dict[str, Message] = {}
        # About how many messages other consumers have received, by SQS's own count.
        self.hidden_by_others = 0

    @property
    def is_expired(self) -> bool:
        """Whether the messages that were received first may be visible to other consumers by now."""
        return self._started_at is not None and self._clock() >= self._started_at + self._options.hidden_seconds

    def receive_all(self, report: Callable[[int], None] = lambda _: None) -> None:
        """Receives until nothing new is visible; `report` gets the count so far after each call."""
        self._started_at = self._clock()
        patient_until = self._started_at + self._options.patience_seconds
        empty_receives = 0
        while len(self.messages) < self._options.limit and not self.is_expired:
            # A short poll queries some of SQS's servers only, so that emptiness takes a long poll to be certain of.
            is_new = self._receive(self._options.long_poll_seconds if empty_receives else 0)
            empty_receives = 0 if is_new else empty_receives + 1
            report(len(self.messages))
            if empty_receives >= _EMPTY_RECEIVES and not (self._clock() < patient_until and self._count_hidden()):
                break
        self.hidden_by_others = self._count_hidden()

    def delete(self, message_ids: Sequence[str]) -> dict[str, str]:
        """Deletes these messages; returns SQS's reason for each that it did not delete, by message id."""
        failed = self._change(self._sqs.delete_message_batch, message_ids)
        for message_id in message_ids:
            if message_id not in failed:
                del self.messages[message_id]
        return failed

    def release(self) -> dict[str, str]:
        """Makes the received messages visible; returns SQS's reason for each that stays hidden, by message id."""
        return self._change(self._sqs.change_message_visibility_batch, list(self.messages), VisibilityTimeout=0)

    def _receive(self, wait_seconds: int) -> bool:
        """Whether one call brought a new message."""
        count = len(self.messages)
        with uninterrupted():  # or the messages of this call would be hidden, and nothing would release them
            response = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_MESSAGES,
                VisibilityTimeout=self._options.hidden_seconds,
                WaitTimeSeconds=wait_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            # A message may come a second time; its newest receipt handle is the valid one.
            self.messages |= {message["MessageId"]: message for message in response.get("Messages", [])}
        return len(self.messages) > count

    def _count_hidden(self) -> int:
        return max(0, queue_depth(self._sqs, self._url) - len(self.messages))

    def _change(self, call: Callable[..., Any], message_ids: Sequence[str], **parameters: int) -> dict[str, str]:
        failed: dict[str, str] = {}
        for chunk in batched(message_ids, MAX_MESSAGES):
            entries = [
                {"Id": str(index), "ReceiptHandle": self.messages[message_id]["ReceiptHandle"], **parameters}
                for index, message_id in enumerate(chunk)
            ]
            try:
                with raising_faults():
                    response = call(QueueUrl=self._url, Entries=entries)
            except Fault as fault:
                failed |= dict.fromkeys(chunk, str(fault))
            else:
                failed |= {
                    chunk[int(refusal["Id"])]: f"{refusal['Code']}: {refusal.get('Message', '')}"
                    for refusal in response.get("Failed", [])
                }
        return failed
