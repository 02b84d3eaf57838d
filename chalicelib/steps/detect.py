"""The detect step: event notification → HeadObject → the model → prediction → the predictions queue."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Protocol

import msgspec
from msgspec import Struct

from chalicelib.domain import events
from chalicelib.domain.errors import Fault, ModelNotRunning, Rejected, fault_of
from chalicelib.domain.images import MAX_IMAGE_BYTES, ImageReference, ObjectCreated
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import row_key_of
from chalicelib.domain.rules import Rules
from chalicelib.queues.batch import Batch, BatchResponse, MessageSender
from chalicelib.queues.day_limit import DayLimit, Reservation
from chalicelib.queues.event_source import EventSource
from chalicelib.telemetry import Telemetry

IMAGES_AT_ONCE = 10


class Images(Protocol):
    """The input objects. Raises Rejected where an object is missing, another Fault where it cannot be read now."""

    def head(self, created: ObjectCreated) -> ImageReference:
        """The object's metadata, from the object itself."""


class Model(Protocol):
    """The model. Raises the Fault that its refusal is."""

    @property
    def name(self) -> str:
        """The model version's ARN, or a name for Rekognition's general labels."""

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100)."""


class StoredRows(Protocol):
    """The stored predictions. Raises a Fault where they cannot be read."""

    def has(self, key: str, *, notify: bool) -> bool:
        """Whether there are rows under this key; with `notify`, rows of which people may be notified."""


class ModelUse(Protocol):
    """When the model was last used. Raises a Fault where that cannot be written now."""

    def record(self, now: datetime) -> None:
        """Writes this time as the last use."""


class Detection(Struct, frozen=True, kw_only=True):
    """The outcome of one image: its prediction and the model's time, or None where its prediction is stored already."""

    image: ImageReference
    prediction: Prediction | None = None
    milliseconds: float = 0


class Detect(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the messages of one batch.

    `model_use` is None unless the stack stops an idle model.
    """

    images: Images
    model: Model
    stored_rows: StoredRows
    images_queue: MessageSender
    predictions_queue: MessageSender
    event_source: EventSource
    model_use: ModelUse | None
    day_limit: DayLimit
    rules: Rules
    own_buckets: frozenset[str]
    batch: Batch
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, messages: Sequence[Message], seconds_left: float) -> BatchResponse:
        """Settles each message and returns Lambda's response; raises BatchIncomplete as `Batch.settle` says."""
        created, parts, faults = self._read(messages)
        detections, undetected = self._detect_within_limit(created, seconds_left)
        faults |= undetected
        for detection in detections.values():
            self._report(detection)
        predictions = {key: detection.prediction for key, detection in detections.items() if detection.prediction}
        refused = any(isinstance(fault, ModelNotRunning) for fault in faults.values())
        self._record_model_use(refused=refused, used=bool(predictions))
        faults |= _send(self.images_queue, [(key, body) for key, bodies in parts.items() for body in bodies])
        faults |= _send(self.predictions_queue, [(key, encoded(prediction)) for key, prediction in predictions.items()])
        return self.batch.settle(messages, faults, created)

    def _read(
        self, messages: Sequence[Message]
    ) -> tuple[dict[str, ObjectCreated], dict[str, list[str]], dict[str, Fault]]:
        """By message id: the object to analyse, the bodies to split the message into, the fault of the message."""
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

    def _detect_within_limit(
        self, created: dict[str, ObjectCreated], seconds_left: float
    ) -> tuple[dict[str, Detection], dict[str, Fault]]:
        """Analyses the images for which the day has a call of the model left; the others have a fault.

        Without the count there is no call: all of them come back.
        """
        try:
            reservation, is_last = self.day_limit.reserve(len(created))
        except Fault as problem:
            return {}, dict.fromkeys(created, problem)
        if is_last:
            self._pause_polling()
        outcome = self.batch.attempt(
            partial(self._detect, reservation), created, threads=IMAGES_AT_ONCE, seconds_left=seconds_left
        )
        try:
            self.day_limit.give_back(reservation)
        except Fault as problem:
            self.telemetry.warn("unused images not given back", reason=problem.reason, detail=problem.detail)
        return outcome

    def _pause_polling(self) -> None:
        """At once, so that no other batch costs its images a receive; `manage_model` resumes polling."""
        try:
            if self.event_source.disable():
                self.telemetry.info("polling paused", status="MaxImagesPerDay reached")
        except Fault as problem:
            self.telemetry.warn("polling not paused", reason=problem.reason, detail=problem.detail)

    def _record_model_use(self, *, refused: bool, used: bool) -> None:
        """Pauses polling where the model refused, and writes down that it was used; `manage_model` reads both."""
        try:
            if refused and self.event_source.disable():
                self.telemetry.info("polling paused", status="not running")
            if used and self.model_use:
                self.model_use.record(self.now())
        except Fault as problem:
            # Predictions are sent all the same, and refused images come back.
            self.telemetry.warn("model use not recorded", reason=problem.reason, detail=problem.detail)

    def _detect(self, reservation: Reservation, created: ObjectCreated) -> Detection:
        """Analyses one image, unless its prediction is stored already. It runs in a thread: see `Batch.attempt`."""
        if created.bucket in self.own_buckets:
            raise Rejected("OwnBucket", f"{created.bucket} holds output of Labelwatch, not images")
        image = self.images.head(created)
        if image.size == 0:
            raise Rejected("EmptyImage", "The object is empty")
        if image.size > MAX_IMAGE_BYTES:
            raise Rejected("ImageTooLarge", f"The object has {image.size} bytes; the model accepts {MAX_IMAGE_BYTES}")
        # S3 and SQS deliver at least once, and the model is the slowest and dearest call. But a backfill without alerts
        # may have overtaken the upload's own event: its rows are no reason to keep back the alert.
        if not created.force and self.stored_rows.has(row_key_of(image, self.model.name), notify=created.notify):
            return Detection(image=image)
        reservation.take()
        started = perf_counter()
        try:
            labels = self.model.labels(image, self.rules.lowest_threshold)
        except ModelNotRunning:
            reservation.put_back()
            raise
        milliseconds = (perf_counter() - started) * 1000
        prediction = Prediction(
            image=image,
            model=self.model.name,
            min_confidence=self.rules.lowest_threshold,
            labels=labels,
            detected_at=self.now(),
            notify=created.notify,
        )
        return Detection(image=image, prediction=prediction, milliseconds=milliseconds)

    def _report(self, detection: Detection) -> None:
        image = str(detection.image)
        if not detection.prediction:
            self.telemetry.info("prediction already stored", image=image)
            return
        labels = len(detection.prediction.labels)
        self.telemetry.count("ImagesDetected")
        self.telemetry.count("Labels", labels)
        self.telemetry.time("ModelTime", detection.milliseconds)
        self.telemetry.info("labels detected", image=image, labels=labels, milliseconds=round(detection.milliseconds))


def encoded(prediction: Prediction) -> str:
    """The prediction as a message body, in ASCII: SQS refuses some of the characters that a key may have."""
    return json.dumps(msgspec.to_builtins(prediction), separators=(",", ":"))


def _send(message_sender: MessageSender, bodies: Sequence[tuple[str, str]]) -> dict[str, Fault]:
    """Sends the bodies, each given with its message's id; returns the faults by message id."""
    if not bodies:
        return {}
    try:
        failed = message_sender.send([body for _, body in bodies])
    except Exception as problem:  # noqa: BLE001 - these messages come back, and the others are finished
        failed = dict.fromkeys(range(len(bodies)), fault_of(problem))
    return {bodies[index][0]: fault for index, fault in failed.items()}
