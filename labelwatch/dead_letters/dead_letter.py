"""A dead letter: a message in a dead-letter queue, with the reason of its failure."""

from collections.abc import Iterator, Sequence, Sized
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple

import msgspec
from msgspec import Struct

from chalicelib.adapters.sqs import MAX_MESSAGES
from chalicelib.domain import events
from chalicelib.domain.errors import Disposition, Rejected
from chalicelib.domain.images import ObjectCreated
from chalicelib.domain.predictions import Prediction
from chalicelib.queues.dead_letters import identity_of, record_id_of
from labelwatch.shared.queues import Message
from labelwatch.shared.text import counted

# The queue's own redrive policy moved it: the function that failed on it could not write a reason.
NOT_RECORDED = "not recorded"
_OUTPUTS = {
    "images": ("ImagesDeadLettersUrl", "ImagesQueueUrl"),
    "predictions": ("PredictionsDeadLettersUrl", "PredictionsQueueUrl"),
}
# The outputs that a stack must have.
OUTPUTS = [output for pair in _OUTPUTS.values() for output in pair]


class DeadLetterQueue(NamedTuple):
    """A dead-letter queue: its short name, its URL, and the URL of the queue that its messages come from."""

    name: str
    url: str
    source_url: str


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message of a dead-letter queue.

    The function that moved the message there wrote the `attributes`; the `system_attributes` are SQS's own.
    """

    queue: DeadLetterQueue
    id: str
    body: str
    attributes: dict[str, str]
    system_attributes: dict[str, str]

    @property
    def reason(self) -> str:
        """The stable name of the failure."""
        return self.attributes.get("reason", NOT_RECORDED)

    @property
    def detail(self) -> str:
        """The sentence beside the reason; empty where no function recorded a reason."""
        return self.attributes.get("detail", "")

    @property
    def is_rejected(self) -> bool:
        """Whether it was permanently rejected: a retry fails in the same way."""
        return self.attributes.get("disposition") == Disposition.REJECT

    @property
    def images(self) -> tuple[ObjectCreated, ...]:
        """The images in its body: several in a batch notification, none in the body of another producer."""
        return tuple(_predicted(self.body) if self.queue.name == "predictions" else _created(self.body))

    @property
    def record_id(self) -> str:
        """The id of its idempotency record; raises ValueError where the body is no JSON object, as of no image."""
        return record_id_of(self.queue.url, identity_of(self.body))

    @property
    def sent_at(self) -> datetime:
        """When a function moved it; after a move by SQS itself, when it was first sent to its source queue."""
        return self._time("SentTimestamp")

    @property
    def first_received_at(self) -> datetime:
        """When it was first received."""
        return self._time("ApproximateFirstReceiveTimestamp")

    @property
    def receive_count(self) -> int:
        """How often it was received, including by this command."""
        return int(self.system_attributes["ApproximateReceiveCount"])

    def _time(self, name: str) -> datetime:
        return datetime.fromtimestamp(int(self.system_attributes[name]) / 1000, UTC)


def dead_letter_queues(outputs: dict[str, str]) -> list[DeadLetterQueue]:
    """The queues for images and for predictions of a stack with these outputs."""
    return [DeadLetterQueue(name, outputs[url], outputs[source_url]) for name, (url, source_url) in _OUTPUTS.items()]


def dead_letter_of(queue: DeadLetterQueue, message: Message) -> DeadLetter:
    """The dead letter that SQS returned as this message."""
    attributes = message.get("MessageAttributes", {})
    return DeadLetter(
        queue=queue,
        id=message["MessageId"],
        body=message["Body"],
        attributes={name: value.get("StringValue", "(binary)") for name, value in attributes.items()},
        system_attributes=message["Attributes"],
    )


def in_batches(dead_letters: Sequence[DeadLetter]) -> Iterator[tuple[DeadLetter, ...]]:
    """Batches of one queue each, as large as one call to SQS allows."""
    for queue in dict.fromkeys(dead_letter.queue for dead_letter in dead_letters):
        of_queue = [dead_letter for dead_letter in dead_letters if dead_letter.queue == queue]
        yield from batched(of_queue, MAX_MESSAGES)


def number_of(dead_letters: Sized) -> str:
    """The number with its noun."""
    return counted(len(dead_letters), "dead letter")


def _created(body: str) -> Iterator[ObjectCreated]:
    with suppress(Rejected):
        for record in events.records(body):
            with suppress(Rejected):
                if created := events.object_created(record):
                    yield created


def _predicted(body: str) -> Iterator[ObjectCreated]:
    with suppress(msgspec.DecodeError, RecursionError):
        image = msgspec.json.decode(body, type=Prediction).image
        yield ObjectCreated(image.bucket, image.key, image.version_id)
