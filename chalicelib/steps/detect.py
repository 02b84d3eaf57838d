"""The detect step: event notification → HeadObject → the model → prediction → the predictions queue."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import Protocol

import msgspec
from msgspec import Struct

from chalicelib.domain import events
from chalicelib.domain.errors import Disposition, Fault, Rejected, fault_of
from chalicelib.domain.images import MAX_IMAGE_BYTES, ImageReference, ObjectCreated
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import key_of
from chalicelib.domain.rules import Rules
from chalicelib.queues.batch import Batch, BatchResponse, MessageSender
from chalicelib.telemetry import Telemetry

IMAGES_AT_ONCE = 10


class Images(Protocol):
    """The objects. Raises Rejected where one is gone, another Fault where it cannot be asked for now."""

    def head(self, created: ObjectCreated) -> ImageReference:
        """What is known of the object, from the object itself."""


class Model(Protocol):
    """The model. Raises the Fault that its refusal is."""

    @property
    def name(self) -> str:
        """The model version's ARN, or a word for what is asked instead."""

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100)."""


class Stored(Protocol):
    """The predictions that are stored. Raises a Fault where that cannot be known."""

    def has(self, key: str, *, notify: bool) -> bool:
        """Whether there are rows under this key; with `notify`, rows of which people were to be told."""


class EventSource(Protocol):
    """Whether images are taken from their queue. Raises a Fault where that cannot be asked or changed now."""

    def turn(self, *, on: bool) -> bool:
        """Has them taken, or left there; whether that changed anything."""


class Use(Protocol):
    """Where it is noted that the model was of use. Raises a Fault where that cannot be done now."""

    def used(self, now: datetime) -> None:
        """It was, just now."""


class Detect(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the messages of one batch.

    `use` is there only where a model without any is stopped.
    """

    images: Images
    model: Model
    stored: Stored
    images_queue: MessageSender
    predictions_queue: MessageSender
    event_source: EventSource
    use: Use | None
    rules: Rules
    own_buckets: frozenset[str]
    batch: Batch
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, messages: Sequence[Message], seconds_left: float) -> BatchResponse:
        """Gives each message its fate, and Lambda's answer; raises BatchIncomplete as `Batch.settle` says."""
        created, parts, faults = self._read(messages)
        looked_at, undetected = self.batch.attempt(
            self._detect, created, threads=IMAGES_AT_ONCE, seconds_left=seconds_left
        )
        predictions = {key: one for key, one in looked_at.items() if one}
        faults |= undetected
        self._tell_of_the_model(
            refused=any(one.fate is Disposition.DEFER for one in faults.values()), used=bool(predictions)
        )
        faults |= _send(self.images_queue, [(key, body) for key, bodies in parts.items() for body in bodies])
        faults |= _send(self.predictions_queue, [(key, encoded(one)) for key, one in predictions.items()])
        return self.batch.settle(messages, faults, created)

    def _read(
        self, messages: Sequence[Message]
    ) -> tuple[dict[str, ObjectCreated], dict[str, list[str]], dict[str, Fault]]:
        """By message id: the object to look at, the bodies to split the message into, what is wrong with it."""
        created: dict[str, ObjectCreated] = {}
        parts: dict[str, list[str]] = {}
        faults: dict[str, Fault] = {}
        for message in messages:
            try:
                records = events.records(message.body)
                if len(records) > 1:
                    parts[message.id] = [events.body_of(record) for record in records]
                elif records and (found := events.object_created(records[0])):
                    created[message.id] = found
            except Rejected as fault:
                faults[message.id] = fault
        return created, parts, faults

    def _tell_of_the_model(self, *, refused: bool, used: bool) -> None:
        """So that no image is taken in vain, and a model in use is not stopped; `manage_model` looks at both."""
        try:
            if refused and self.event_source.turn(on=False):
                self.telemetry.info("polling paused", model="refused")
            if used and self.use:
                self.use.used(self.now())
        except Fault as problem:
            # What was detected goes on all the same, and what was refused comes back.
            self.telemetry.warn("model use not recorded", reason=problem.reason, detail=problem.detail)

    def _detect(self, created: ObjectCreated) -> Prediction | None:
        """What the model says; None where that is stored already, and so on its way to whoever asked."""
        if created.bucket in self.own_buckets:
            raise Rejected("OwnBucket", f"{created.bucket} is where Labelwatch writes: looking there would never end")
        image = self.images.head(created)
        if image.size == 0:
            raise Rejected("EmptyImage", "the object has zero bytes")
        if image.size > MAX_IMAGE_BYTES:
            raise Rejected(
                "ImageTooLarge", f"the object has {image.size} bytes; the model takes {MAX_IMAGE_BYTES} at most"
            )
        # S3 and SQS deliver at least once, and the model is the dearest of what there is to ask. But a backfill that
        # tells nobody may have overtaken the upload's own event: what that found is no reason to keep silent.
        if not created.force and self.stored.has(key_of(image, self.model.name), notify=created.notify):
            self.telemetry.info("prediction already stored", image=str(image))
            return None
        started = perf_counter()
        labels = self.model.labels(image, self.rules.lowest_threshold)
        milliseconds = (perf_counter() - started) * 1000
        self.telemetry.count("ImagesDetected")
        self.telemetry.count("Labels", len(labels))
        self.telemetry.time("ModelTime", milliseconds)
        self.telemetry.info("labels detected", image=str(image), labels=len(labels), milliseconds=round(milliseconds))
        return Prediction(
            image=image,
            model=self.model.name,
            min_confidence=self.rules.lowest_threshold,
            labels=labels,
            detected_at=self.now(),
            notify=created.notify,
        )


def encoded(prediction: Prediction) -> str:
    """The prediction as a message body, in ASCII: SQS refuses some of the characters that a key may hold."""
    return json.dumps(msgspec.to_builtins(prediction), separators=(",", ":"))


def _send(message_sender: MessageSender, bodies: Sequence[tuple[str, str]]) -> dict[str, Fault]:
    """Sends the bodies, each given with its message's id, and gives the faults by those ids."""
    if not bodies:
        return {}
    try:
        failed = message_sender.send([body for _, body in bodies])
    except Exception as problem:  # noqa: BLE001 - whatever it is, these messages come back and the others are finished
        failed = dict.fromkeys(range(len(bodies)), fault_of(problem))
    return {bodies[place][0]: fault for place, fault in failed.items()}
