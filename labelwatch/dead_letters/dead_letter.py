"""A dead letter: a message that was set aside, and what it says of itself."""

from collections.abc import Iterator, Sequence, Sized
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from chalicelib.adapters.sqs import MAX_MESSAGES
from chalicelib.domain import events
from chalicelib.domain.errors import Disposition, Rejected
from chalicelib.domain.images import ObjectCreated
from chalicelib.domain.predictions import Prediction
from labelwatch.shared.text import counted

# The queue's own redrive took it: the function that was at it could not say why.
NOT_RECORDED = "not recorded"
_OUTPUTS = {
    "images": ("ImagesDeadLettersUrl", "ImagesQueueUrl"),
    "predictions": ("PredictionsDeadLettersUrl", "PredictionsQueueUrl"),
}
# What a stack must tell.
OUTPUTS = [name for pair in _OUTPUTS.values() for name in pair]


class Box(NamedTuple):
    """A dead-letter queue: what it is called here, its URL, and the URL of the queue that its letters come from."""

    name: str
    url: str
    source: str


class Letter(Struct, frozen=True, kw_only=True):
    """One message of a box; `said` is what the function wrote that set it aside, `known` what SQS knows of it."""

    box: Box
    id: str
    receipt_handle: str
    body: str
    said: dict[str, str]
    known: dict[str, str]

    @property
    def reason(self) -> str:
        """The stable word for why it is dead."""
        return self.said.get("reason", NOT_RECORDED)

    @property
    def detail(self) -> str:
        """The sentence beside it; empty where nobody wrote one."""
        return self.said.get("detail", "")

    @property
    def is_rejected(self) -> bool:
        """Whether it was set aside for good: however often it is tried, it is dead again."""
        return self.said.get("disposition") == Disposition.REJECT

    @property
    def images(self) -> tuple[ObjectCreated, ...]:
        """The images that it is about, by its body: several in a batch notification, none where it is neither kind."""
        return tuple(_predicted(self.body) if self.box.name == "predictions" else _created(self.body))

    @property
    def sent(self) -> datetime:
        """When it was set aside; where SQS did so, when it was first sent to its queue, which SQS keeps."""
        return self._moment("SentTimestamp")

    @property
    def first_received(self) -> datetime:
        """When anybody first received it."""
        return self._moment("ApproximateFirstReceiveTimestamp")

    @property
    def received(self) -> int:
        """How often it was received, each look at it included."""
        return int(self.known["ApproximateReceiveCount"])

    def _moment(self, name: str) -> datetime:
        return datetime.fromtimestamp(int(self.known[name]) / 1000, UTC)


def boxes(outputs: dict[str, str]) -> list[Box]:
    """The boxes of a stack with these outputs."""
    return [Box(name, outputs[url], outputs[source]) for name, (url, source) in _OUTPUTS.items()]


def letter(box: Box, message: dict[str, Any]) -> Letter:
    """What SQS gave of one message."""
    return Letter(
        box=box,
        id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        said={
            name: value.get("StringValue", "(binary)") for name, value in message.get("MessageAttributes", {}).items()
        },
        known=message["Attributes"],
    )


def in_batches(letters: Sequence[Letter]) -> Iterator[tuple[Box, tuple[Letter, ...]]]:
    """As many as one call to SQS takes, each time of one box."""
    for box in dict.fromkeys(one.box for one in letters):
        for few in batched([one for one in letters if one.box == box], MAX_MESSAGES):
            yield box, few


def number_of(letters: Sized) -> str:
    """How many they are, in words."""
    return counted(len(letters), "dead letter")


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
