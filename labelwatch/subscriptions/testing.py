"""A test alert: a prediction of no image, which is sent to the predictions queue and published like any other."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from chalicelib import settings
from chalicelib.adapters.dynamodb import IdempotencyTable
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.alerts import Alert, Finding, compose_alert
from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rules import ANY_LABEL
from chalicelib.queues.batch import MessageSender
from chalicelib.steps.detect import encoded
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.filters import check_confidence

# S3's limit of a key, less the file's name.
LONGEST_SOURCE = 1000


class Records(Protocol):
    """The idempotency records of test alerts. Raises a Fault where a record could not be read."""

    def is_completed(self, record_id: str) -> bool:
        """Whether SNS has accepted the alert."""


class AlertTests(NamedTuple):
    """What a stack needs for a test alert; `bucket` is its input bucket, in which no object is created."""

    queue: MessageSender
    queue_arn: str
    records: Records
    bucket: str
    labels_of_interest: str
    pause: Callable[[float], None] = time.sleep

    def prediction(self, source: str, label: str | None, confidence: float) -> Prediction:
        """A prediction of no image; raises UserError where no prediction has this source, label or confidence.

        Without a label, the first label of interest; `test` where any label is.
        """
        check_confidence(confidence)
        if label is not None and not label.strip():
            raise UserError(f"--label {label!r} is not a label. Omit --label to use the first label of interest.")
        now = datetime.now(UTC)
        image = ImageReference(
            bucket=self.bucket, key=f"{source}/test.jpg", version_id=None, etag=secrets.token_hex(16), size=0,
            content_type="image/jpeg", metadata={}, uploaded_at=now,
        )  # fmt: skip
        if image.source != source or len(source.encode()) > LONGEST_SOURCE:
            raise UserError(f"--source {source!r} is not a source. Use a name without a slash (example: field-3).")
        labels = (Label(label or self._first_label(), confidence),)
        return Prediction(
            image=image, model="test", min_confidence=0, labels=labels, detected_at=now, test=True
        )  # fmt: skip

    def send(self, prediction: Prediction, wait_seconds: float) -> bool:
        """Whether SNS accepts the alert within these seconds; raises the Fault that SQS's refusal is."""
        for fault in self.queue.send([encoded(prediction)]).values():
            raise fault
        until = time.monotonic() + wait_seconds
        while not self.records.is_completed(prediction.id):
            if time.monotonic() >= until:
                return False
            self.pause(1)
        return True

    def checks(self, stack: str, options: str) -> str:
        """What to check where SNS accepts no alert; `options` are the command line's options that name the stack."""
        return (
            "Check that State is Enabled in `aws lambda list-event-source-mappings --event-source-arn "
            f"{self.queue_arn}`. Then run `labelwatch dead-letters list{options}`, and read the log group "
            f"/aws/lambda/{stack}-notify."
        )

    def _first_label(self) -> str:
        with suppress(ValueError):  # the functions report it when they start
            for label in settings.labels_of_interest(self.labels_of_interest):
                if label.name != ANY_LABEL:
                    return label.name
        return "test"


def alert_of(prediction: Prediction) -> Alert:
    """The alert as notify publishes it, but for the link in its text."""
    return compose_alert([Finding(prediction, prediction.labels)], {}, UTC)


def from_stack(account: Account, stack_name: str) -> AlertTests:
    """Raises UserError without such a stack, or without one of its parts."""
    names = ("PredictionsQueueUrl", "PredictionsQueueArn", "TableName", "InputBucket")
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, *names)
    url, arn, table, bucket = (outputs[name] for name in names)
    return AlertTests(
        queue=Queue(account.client("sqs"), url),
        queue_arn=arn,
        records=IdempotencyTable(account.client("dynamodb"), table, "test-alert"),
        bucket=bucket,
        labels_of_interest=outputs.get("LabelsofInterest", ANY_LABEL),
    )
