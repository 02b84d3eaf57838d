"""The notify step: rows into the output bucket first, then one alert for the predictions that are worth one.

An alert is claimed, published, and remembered: docs/decisions/0015 says what that promises, and what it cannot.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Protocol
from uuid import uuid4

import msgspec
from msgspec import Struct

from chalicelib.domain import alerts, rows
from chalicelib.domain.alerts import Alert, Finding, Picture
from chalicelib.domain.errors import Fault, Rejected, Unavailable, fault_of
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.images import ImageReference
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Prediction
from chalicelib.domain.rules import Rules
from chalicelib.queues.batch import Batch, BatchResponse
from chalicelib.queues.idempotency import IdempotencyRecords
from chalicelib.telemetry import Telemetry

ROWS_AT_ONCE = 20
# A claim outlives the function that has it by so much: clocks differ, and the other must be dead by then.
SECONDS_AFTER_THE_END = 5


class Store(Protocol):
    """Where rows are kept. Raises a Fault where they could not be."""

    def put(self, key: str, content: bytes, *, notify: bool) -> None:
        """Writes one object, and beside it whether people may be told; what was there under that key is replaced."""


class Pictures(Protocol):
    """Ways to look at an image. Raises a Fault where no link can be made."""

    def picture(self, image: ImageReference) -> Picture:
        """Where people can see this image."""


class Topic(Protocol):
    """Whoever asked. Raises a Fault where the alert was not taken."""

    def publish(self, alert: Alert) -> None:
        """Tells every subscriber."""


class Notify(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the messages of one batch."""

    store: Store
    pictures: Pictures
    topic: Topic
    claims: IdempotencyRecords
    rules: Rules
    batch: Batch
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, messages: Sequence[Message], seconds_left: float) -> BatchResponse:
        """Gives each message its fate, and Lambda's answer; raises BatchIncomplete as `Batch.settle` says."""
        end = monotonic() + seconds_left
        predictions, faults = _read(messages)
        stored, unstored = self.batch.attempt(self._store, predictions, threads=ROWS_AT_ONCE, seconds_left=seconds_left)
        faults |= unstored
        faults |= self._tell({key: predictions[key] for key in stored}, end)
        images = {key: prediction.image for key, prediction in predictions.items()}
        return self.batch.settle(messages, faults, images)

    def _store(self, prediction: Prediction) -> None:
        content = rows.encoded(rows.rows_of(prediction, self.rules))
        self.store.put(rows.row_key(prediction), content, notify=prediction.notify)
        self.telemetry.count("PredictionsStored")

    def _tell(self, stored: Mapping[str, Prediction], end: float) -> dict[str, Fault]:
        """One alert for those that nobody was told of; where it fails, the faults of the messages that it is about."""
        findings, faults = self._findings(stored)
        # The same prediction may stand in two messages of one batch; it is told once.
        once = {finding.prediction.id: finding for finding in findings.values()}
        standing, unclaimed = self._claim(once, end)
        ours = {key: finding for key, finding in once.items() if standing.get(key) is RecordState.ACQUIRED}
        unclaimed |= {
            key: Unavailable("BeingTold", "another delivery of this prediction is about to tell of it")
            for key, how in standing.items()
            if how is RecordState.IN_PROGRESS
        }
        untold = self._publish(ours, end) if ours else {}
        return faults | {
            key: (unclaimed | untold)[finding.prediction.id]
            for key, finding in findings.items()
            if finding.prediction.id in unclaimed | untold
        }

    def _findings(self, stored: Mapping[str, Prediction]) -> tuple[dict[str, Finding], dict[str, Fault]]:
        findings: dict[str, Finding] = {}
        faults: dict[str, Fault] = {}
        for key, prediction in stored.items():
            labels = self.rules.worth_an_alert(prediction)
            if not (labels and prediction.notify):
                continue
            try:
                findings[key] = Finding(prediction, labels, self.pictures.picture(prediction.image))
            except Exception as problem:  # noqa: BLE001 - one that cannot be shown must not silence the others
                faults[key] = fault_of(problem)
        return findings, faults

    def _claim(self, findings: Mapping[str, Finding], end: float) -> tuple[dict[str, RecordState], dict[str, Fault]]:
        owner, now = uuid4().hex, self.now()
        until = now + timedelta(seconds=end - monotonic() + SECONDS_AFTER_THE_END)
        return self._at_once(lambda key: self.claims.claim(key, owner, now, until), findings, end)

    def _publish(self, findings: Mapping[str, Finding], end: float) -> dict[str, Fault]:
        """Tells of them; gives the fault of each where that fails, and then claims none of them any longer."""
        try:
            self.topic.publish(alerts.alert_of(list(findings.values())))
        except Exception as problem:  # noqa: BLE001 - whatever it is, these come back and the others are finished
            self._note("idempotency records not released", self.claims.release, findings, end)
            return dict.fromkeys(findings, fault_of(problem))
        now = self.now()
        self._note("idempotency records not completed", lambda key: self.claims.told(key, now), findings, end)
        self.telemetry.count("Alerts")
        self.telemetry.count("PredictionsAlerted", len(findings))
        self.telemetry.info("alert published", predictions=sorted(findings))
        return {}

    def _note(self, trouble: str, note: Callable[[str], None], findings: Mapping[str, Finding], end: float) -> None:
        """What cannot be noted ends with the claim: another delivery after that tells of it, perhaps again."""
        _, faults = self._at_once(note, findings, end)
        if faults:  # most often the table has a bad moment only
            _, faults = self._at_once(note, {key: findings[key] for key in faults}, end)
        if faults:
            reasons = sorted({fault.reason for fault in faults.values()})
            self.telemetry.warn(trouble, predictions=sorted(faults), reasons=reasons)

    def _at_once[O](
        self, work: Callable[[str], O], findings: Mapping[str, Finding], end: float
    ) -> tuple[dict[str, O], dict[str, Fault]]:
        ids = {key: key for key in findings}
        if not ids:
            return {}, {}
        return self.batch.attempt(work, ids, threads=ROWS_AT_ONCE, seconds_left=end - monotonic())


def _read(messages: Sequence[Message]) -> tuple[dict[str, Prediction], dict[str, Fault]]:
    predictions: dict[str, Prediction] = {}
    faults: dict[str, Fault] = {}
    for message in messages:
        try:
            predictions[message.id] = msgspec.json.decode(message.body, type=Prediction)
        except (ValueError, RecursionError) as problem:  # msgspec's own DecodeError is one, and so is bad Unicode
            faults[message.id] = Rejected("NotAPrediction", f"the message is no prediction: {problem}")
    return predictions, faults
