"""The notify step: rows into the output bucket first, then one alert for the predictions that are worth one."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from chalicelib import alerts, rows
from chalicelib.alerts import Sight
from chalicelib.batch import Batch, BatchResponse
from chalicelib.errors import Fault, Rejected, fault_of
from chalicelib.model import Alert, ImageReference, Message, Picture, Prediction
from chalicelib.rules import Rules
from chalicelib.telemetry import Telemetry

ROWS_AT_ONCE = 20


class Store(Protocol):
    """Where rows are kept. Raises a Fault where they could not be."""

    def put(self, key: str, content: bytes) -> None:
        """Writes one object; what was there under that key is replaced."""


class Pictures(Protocol):
    """Ways to look at an image. Raises a Fault where no link can be made."""

    def picture(self, image: ImageReference) -> Picture:
        """Where people can see this image."""


class Topic(Protocol):
    """Whoever asked. Raises a Fault where the alert was not taken."""

    def publish(self, alert: Alert) -> None:
        """Tells every subscriber."""


class Notification(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the messages of one batch."""

    store: Store
    pictures: Pictures
    topic: Topic
    rules: Rules
    batch: Batch
    telemetry: Telemetry

    def __call__(self, messages: Sequence[Message], seconds_left: float) -> BatchResponse:
        """Gives each message its fate, and Lambda's answer; raises BatchIncomplete as `Batch.settle` says."""
        predictions, faults = _read(messages)
        stored, unstored = self.batch.attempt(self._store, predictions, threads=ROWS_AT_ONCE, seconds_left=seconds_left)
        faults |= unstored
        faults |= self._tell({key: predictions[key] for key in stored})
        images = {key: prediction.image for key, prediction in predictions.items()}
        return self.batch.settle(messages, faults, images)

    def _store(self, prediction: Prediction) -> None:
        self.store.put(rows.row_key(prediction), rows.encoded(rows.rows_of(prediction, self.rules)))
        self.telemetry.count("PredictionsStored")

    def _tell(self, stored: Mapping[str, Prediction]) -> dict[str, Fault]:
        """One alert for them all; where it fails, the faults of the messages that it would have told of."""
        sights: dict[str, Sight] = {}
        faults: dict[str, Fault] = {}
        for key, prediction in stored.items():
            labels = self.rules.worth_an_alert(prediction)
            if not (labels and prediction.alert):
                continue
            try:
                sights[key] = Sight(prediction, labels, self.pictures.picture(prediction.image))
            except Exception as problem:  # noqa: BLE001 - one that cannot be shown must not silence the others
                faults[key] = fault_of(problem)
        if not sights:
            return faults
        # The same prediction may stand in two messages of one batch; it is told once.
        once = {sight.prediction.id: sight for sight in sights.values()}
        try:
            self.topic.publish(alerts.alert_of(list(once.values())))
        except Exception as problem:  # noqa: BLE001 - whatever it is, these come back and the others are finished
            return faults | dict.fromkeys(sights, fault_of(problem))
        self.telemetry.count("Alerts")
        self.telemetry.count("PredictionsAlerted", len(once))
        self.telemetry.info("alert published", predictions=sorted(once))
        return faults


def _read(messages: Sequence[Message]) -> tuple[dict[str, Prediction], dict[str, Fault]]:
    predictions: dict[str, Prediction] = {}
    faults: dict[str, Fault] = {}
    for message in messages:
        try:
            predictions[message.id] = msgspec.json.decode(message.body, type=Prediction)
        except (msgspec.DecodeError, RecursionError) as problem:
            faults[message.id] = Rejected("NotAPrediction", f"the message is no prediction: {problem}")
    return predictions, faults
