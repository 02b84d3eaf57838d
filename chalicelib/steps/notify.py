"""The notify step: rows into the output bucket first, then an alert for each source whose predictions are worth one.

`labelwatch alert test` sends a prediction of no image, which makes a test alert and no row.

docs/decisions/0002 says why the rows come first, 0003 what one alert is about, 0015 why it comes once. The alert's text
is in domain/alerts.py, the threshold of a label in domain/rules.py, the columns of a row in domain/rows.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from time import monotonic, sleep
from typing import Protocol

import msgspec
from msgspec import Struct

from chalicelib.domain import rows
from chalicelib.domain.alerts import Alert, Finding, compose_alert
from chalicelib.domain.errors import Fault, Rejected, Unavailable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rules import Rules
from chalicelib.queues.batch import SECONDS_TO_SETTLE, Batch, BatchResponse
from chalicelib.queues.idempotency import Idempotency, IdempotencyRecords
from chalicelib.telemetry import Telemetry

ROWS_AT_ONCE = 20
# A lock outlasts the invocation that has it by so much: clocks differ, and that invocation must have ended by then.
LOCK_AFTER_END = timedelta(seconds=5)
# SNS disables an e-mail subscription above 10 messages a second, and two invocations may run at once.
SECONDS_BETWEEN_ALERTS = 1 / 3
# Records, links, topic and records once more, each by its time-outs. A source that would not fit comes back.
SECONDS_FOR_AN_ALERT = 15
# Complete or release fails for a moment only, most often. Without it, an alert might be published once more.
WRITE_ATTEMPTS = 2


class RowStore(Protocol):
    """The rows in the output bucket. Raises a Fault where they could not be written."""

    def put(self, key: str, content: bytes, *, notify: bool) -> None:
        """Writes or replaces one object, and as its metadata whether people may be notified."""


class Topic(Protocol):
    """The topic of alerts. Raises a Fault where the alert was not published."""

    def publish(self, alert: Alert) -> None:
        """Publishes the alert to every subscriber."""


class Notify(Struct, frozen=True, kw_only=True):
    """The step with all that it needs; call it with the messages of one batch.

    `picture_links` gives the addresses of picture pages by prediction id, as many as it can, and never raises. Test
    alerts have separate records, which no audit counts. Times in alerts are in `zone`.
    """

    row_store: RowStore
    picture_links: Callable[[Sequence[Prediction]], dict[str, str]]
    topic: Topic
    records: IdempotencyRecords
    test_records: IdempotencyRecords
    rules: Rules
    batch: Batch
    telemetry: Telemetry
    zone: tzinfo
    now: Callable[[], datetime]
    pause: Callable[[float], None] = sleep

    def __call__(self, messages: Sequence[Message], seconds_left: float) -> BatchResponse:
        """Settles each message and returns Lambda's response; raises BatchIncomplete as `Batch.settle` says."""
        end = monotonic() + seconds_left
        predictions, faults = _read(messages)
        real = {key: prediction for key, prediction in predictions.items() if not prediction.test}
        stored, unstored = self.batch.attempt(self._store, real, threads=ROWS_AT_ONCE, seconds_left=seconds_left)
        if stored:
            self.telemetry.count("PredictionsStored", len(stored))
        ready = {key: prediction for key, prediction in predictions.items() if key in stored or prediction.test}
        faults |= unstored | self._notify(self._findings(ready), end)
        images = {message_id: prediction.image for message_id, prediction in predictions.items()}
        return self.batch.settle(messages, faults, images)

    def _store(self, prediction: Prediction) -> None:
        content = rows.encoded(rows.rows_of(prediction, self.rules))
        self.row_store.put(rows.row_key(prediction), content, notify=prediction.notify)

    def _findings(self, ready: Mapping[str, Prediction]) -> dict[str, Finding]:
        """The predictions that are worth an alert, by message id."""
        found = {key: Finding(prediction, self._labels_to_alert(prediction)) for key, prediction in ready.items()}
        return {key: finding for key, finding in found.items() if finding.labels and finding.prediction.notify}

    def _labels_to_alert(self, prediction: Prediction) -> tuple[Label, ...]:
        return prediction.labels if prediction.test else self.rules.labels_to_alert(prediction)

    def _notify(self, findings: Mapping[str, Finding], end: float) -> dict[str, Fault]:
        """Publishes an alert for each source, and one for its tests; returns the faults by message id."""
        # Two messages of one batch may have the same prediction: it is in the alert once.
        predicted = {finding.prediction.id: finding for finding in findings.values()}
        sources: dict[tuple[bool, str], dict[str, Finding]] = {}
        for prediction_id, finding in predicted.items():
            prediction = finding.prediction
            sources.setdefault((prediction.test, prediction.image.source), {})[prediction_id] = finding
        faults: dict[str, Fault] = {}
        for number, of_source in enumerate(sources.values()):
            if number and end - monotonic() < SECONDS_TO_SETTLE + SECONDS_FOR_AN_ALERT:
                faults |= dict.fromkeys(
                    of_source, Unavailable("OutOfTime", "The alert did not fit into the invocation")
                )
                continue
            if number:
                self.pause(SECONDS_BETWEEN_ALERTS)
            faults |= self._notify_of_source(of_source, end)
        return {
            message_id: faults[finding.prediction.id]
            for message_id, finding in findings.items()
            if finding.prediction.id in faults
        }

    def _notify_of_source(self, findings: Mapping[str, Finding], end: float) -> dict[str, Fault]:
        """Publishes one alert of all findings that no other delivery alerts of; returns the faults by prediction id."""
        test = next(iter(findings.values())).prediction.test
        alerted, faults = Idempotency(
            records=self.test_records if test else self.records,
            telemetry=self.telemetry,
            now=self.now,
            needs_record=True,
            write_attempts=WRITE_ATTEMPTS,
            for_each=InParallel(self.batch, end),
        ).run(
            {prediction_id: str(finding.prediction.image) for prediction_id, finding in findings.items()},
            lambda ids: self._publish([findings[prediction_id] for prediction_id in ids]),
            lock=timedelta(seconds=end - monotonic()) + LOCK_AFTER_END,
        )
        if alerted and test:
            self.telemetry.info("test alert published", predictions=sorted(alerted))
        elif alerted:
            self.telemetry.count("Alerts")
            self.telemetry.count("PredictionsAlerted", len(alerted))
            self.telemetry.info("alert published", predictions=sorted(alerted))
        return faults

    def _publish(self, findings: Sequence[Finding]) -> None:
        links = self.picture_links([finding.prediction for finding in findings])
        self.topic.publish(compose_alert(findings, links, self.zone))


class InParallel(Struct, frozen=True):
    """Does work for many ids at once, until the time is over in which the batch can still be settled."""

    batch: Batch
    end: float

    def __call__[O](self, work: Callable[[str], O], ids: Iterable[str]) -> tuple[dict[str, O], dict[str, Fault]]:
        """Returns the results and the faults by id."""
        items = {record_id: record_id for record_id in ids}
        return self.batch.attempt(work, items, threads=ROWS_AT_ONCE, seconds_left=self.end - monotonic())


def _read(messages: Sequence[Message]) -> tuple[dict[str, Prediction], dict[str, Fault]]:
    predictions: dict[str, Prediction] = {}
    faults: dict[str, Fault] = {}
    for message in messages:
        try:
            predictions[message.id] = msgspec.json.decode(message.body, type=Prediction)
        except (ValueError, RecursionError) as problem:  # msgspec's own DecodeError is one, and so is bad Unicode
            faults[message.id] = Rejected("NotAPrediction", f"The message is not a prediction: {problem}")
    return predictions, faults
