"""What has become of each image: read from where the pipeline leaves it, never asked of the pipeline."""

import time
from collections.abc import Hashable
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import Message, QueueReader, ReceiveOptions, queue_depth

PREFIX = "predictions/"
# For as long as one look takes.
_SECONDS_OUT_OF_SIGHT = 5
# A queue that holds as many messages as at the last look is looked at this often only: whoever looks takes them out of
# sight of everybody else.
_SECONDS_BETWEEN_LOOKS = 30


class Predicted(Struct, frozen=True):
    """An image's rows are stored: its key, its labels, the surest first, and whether an alert is due."""

    key: str
    labels: tuple[tuple[str, float], ...]
    alert_due: bool
    row_key: str


class _Row(Struct):
    image: str
    label: str | None
    confidence: float | None
    of_interest: bool


_decode_row = msgspec.json.Decoder(_Row).decode


class DeadLetterImage(Struct, frozen=True):
    """A message is a dead letter: the image as `s3://bucket/key`, percent-encoded, and why."""

    image: str
    reason: str
    detail: str

    @property
    def key(self) -> str:
        """The image's key, or all that is known of it where that is not an object of the input bucket."""
        return unquote(self.image).removeprefix(f"s3://{INPUT_BUCKET}/")


class Watch:
    """Looks at the buckets and queues of a session; each call tells only what is new."""

    def __init__(self, session: Session) -> None:
        self._s3 = session.local_aws.client("s3")
        self._sqs = session.local_aws.client("sqs")
        self._output = session.outputs["OutputBucket"]
        self._dead_letters = [session.outputs[name] for name in ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")]
        self._seen: set[Hashable] = set()
        self._looks: dict[str, tuple[int, float]] = {}

    def new_predictions(self) -> list[Predicted]:
        """The predictions whose rows have come, or were written anew, since the last look."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._output, Prefix=PREFIX)
        # By the ETag too: another look at an image has its rows written under the same key, with another time in them.
        written = [(entry["Key"], entry["ETag"]) for page in pages for entry in page.get("Contents", [])]
        found = [self._predicted(key) for key, _ in self._unseen(written)]
        return [one for one in found if one]

    def new_dead_letters(self) -> list[DeadLetterImage]:
        """The messages that were set aside since the last look; they stay where they are."""
        found = {message["MessageId"]: message for url in self._dead_letters for message in self._looked_at(url)}
        return [_set_aside(found[message_id]) for message_id in self._unseen(list(found))]

    def _unseen[Name: Hashable](self, names: list[Name]) -> list[Name]:
        new = [name for name in names if name not in self._seen]
        self._seen.update(new)
        return new

    def _predicted(self, row_key: str) -> Predicted | None:
        """None where it is gone by now, or no prediction: whoever follows must not stumble over it."""
        try:
            content = self._s3.get_object(Bucket=self._output, Key=row_key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return prediction_of(row_key, content)

    def _looked_at(self, url: str) -> list[Message]:
        """All that are in sight, where there may be new ones; they are in sight again afterwards."""
        depth, now = queue_depth(self._sqs, url), time.monotonic()
        before, then = self._looks.get(url, (0, now))
        if depth == before and now < then + _SECONDS_BETWEEN_LOOKS:
            return []
        self._looks[url] = depth, now
        # The local AWS has one server, which a short poll reads whole.
        reader = QueueReader(self._sqs, url, ReceiveOptions(hidden_seconds=_SECONDS_OUT_OF_SIGHT, long_poll_seconds=0))
        try:
            reader.receive_all()
        finally:
            reader.release()
        return list(reader.messages.values())


def prediction_of(row_key: str, content: bytes) -> Predicted | None:
    """What the rows in this object say; None where it holds none."""
    try:
        rows = [_decode_row(line) for line in content.splitlines()]
    except (ValueError, RecursionError):
        return None
    if not rows:
        return None
    labels = [(row.label, row.confidence) for row in rows if row.label is not None and row.confidence is not None]
    return Predicted(
        key=rows[0].image,
        labels=tuple(sorted(labels, key=lambda pair: -pair[1])),
        alert_due=any(row.of_interest for row in rows),
        row_key=row_key,
    )


def _set_aside(message: Message) -> DeadLetterImage:
    attributes = message.get("MessageAttributes", {})
    said = {
        name: attributes.get(name, {}).get("StringValue", "not recorded") for name in DeadLetterImage.__struct_fields__
    }
    return DeadLetterImage(**said)
