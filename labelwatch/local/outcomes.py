"""The outcome of each image, as it is stored: a prediction in the output bucket, or a dead letter."""

import time
from collections.abc import Hashable
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import Message, QueueReader, ReceiveOptions, queue_depth

PREFIX = "predictions/"
# Longer than reading a dead-letter queue takes; the messages are released right after it.
_VISIBILITY_SECONDS = 30
# A queue with an unchanged number of messages is read this often only: messages are invisible to others meanwhile.
_SECONDS_BETWEEN_READS = 30


class PredictionOutcome(Struct, frozen=True):
    """A stored prediction; `labels` with their confidence, the highest first, and `row_key` the key of its rows."""

    key: str
    labels: tuple[tuple[str, float], ...]
    alert_expected: bool
    row_key: str


class _Row(Struct):
    image: str
    label: str | None
    confidence: float | None
    of_interest: bool


_decode_row = msgspec.json.Decoder(_Row).decode


class DeadLetterOutcome(Struct, frozen=True):
    """A dead letter: the image as `s3://bucket/key`, percent-encoded, and the reason."""

    image: str
    reason: str
    detail: str

    @property
    def key(self) -> str:
        """The image's key, or the whole of `image` where that is no object of the input bucket."""
        return unquote(self.image).removeprefix(f"s3://{INPUT_BUCKET}/")


class OutcomeReader:
    """Reads the output bucket and the dead-letter queues of a session; each call returns only new outcomes."""

    def __init__(self, session: Session) -> None:
        self._s3 = session.local_aws.client("s3")
        self._sqs = session.local_aws.client("sqs")
        self._output = session.outputs["OutputBucket"]
        self._dead_letters = [session.outputs[name] for name in ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")]
        self._seen: set[Hashable] = set()
        self._last_reads: dict[str, tuple[int, float]] = {}

    def new_predictions(self) -> list[PredictionOutcome]:
        """The predictions whose rows were written, or written again, since the last call."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._output, Prefix=PREFIX)
        # By the ETag as well: analysing an image again writes rows with another time under the same key.
        written = [(entry["Key"], entry["ETag"]) for page in pages for entry in page.get("Contents", [])]
        found = [self._prediction(key) for key, _ in self._unseen(written)]
        return [prediction for prediction in found if prediction]

    def new_dead_letters(self) -> list[DeadLetterOutcome]:
        """The dead letters since the last call; they stay in their queue."""
        found = {message["MessageId"]: message for url in self._dead_letters for message in self._read(url)}
        return [_dead_letter(found[message_id]) for message_id in self._unseen(list(found))]

    def _unseen[Name: Hashable](self, names: list[Name]) -> list[Name]:
        new = [name for name in names if name not in self._seen]
        self._seen.update(new)
        return new

    def _prediction(self, row_key: str) -> PredictionOutcome | None:
        """None where the object is deleted by now, or holds no prediction: neither must stop the caller."""
        try:
            content = self._s3.get_object(Bucket=self._output, Key=row_key)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        return prediction_of(row_key, content)

    def _read(self, url: str) -> list[Message]:
        """All visible messages, where there may be new ones; they are visible again afterwards."""
        depth, now = queue_depth(self._sqs, url), time.monotonic()
        last_depth, last_read = self._last_reads.get(url, (0, now))
        if depth == last_depth and now < last_read + _SECONDS_BETWEEN_READS:
            return []
        self._last_reads[url] = depth, now
        # The local AWS has one server, which a short poll reads whole.
        reader = QueueReader(self._sqs, url, ReceiveOptions(hidden_seconds=_VISIBILITY_SECONDS, long_poll_seconds=0))
        try:
            reader.receive_all()
        finally:
            reader.release()
        return list(reader.messages.values())


def prediction_of(row_key: str, content: bytes) -> PredictionOutcome | None:
    """The prediction that the rows in this object make up; None where it holds no rows."""
    try:
        rows = [_decode_row(line) for line in content.splitlines()]
    except (ValueError, RecursionError):
        return None
    if not rows:
        return None
    labels = [(row.label, row.confidence) for row in rows if row.label is not None and row.confidence is not None]
    return PredictionOutcome(
        key=rows[0].image,
        labels=tuple(sorted(labels, key=lambda pair: -pair[1])),
        alert_expected=any(row.of_interest for row in rows),
        row_key=row_key,
    )


def _dead_letter(message: Message) -> DeadLetterOutcome:
    attributes = message.get("MessageAttributes", {})
    recorded = {
        name: attributes.get(name, {}).get("StringValue", "not recorded")
        for name in DeadLetterOutcome.__struct_fields__
    }
    return DeadLetterOutcome(**recorded)
