"""Structured logs and metrics (CloudWatch EMF). Names and figures only: nothing of an image's content."""

from threading import Lock
from typing import NamedTuple, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class Metric(NamedTuple):
    """What a metric counts, and the functions that emit it, which are the values of its dimension `service`."""

    meaning: str
    services: tuple[str, ...]


# Every metric, by its name; `make docs` lists them. Each metric of each service costs money a month.
METRICS = {
    "ImagesDetected": Metric("Images analysed by the model.", ("detect",)),
    "Labels": Metric("Labels that the model returned.", ("detect",)),
    "ModelTime": Metric("Milliseconds of a call to the model, including the retries of the AWS SDK.", ("detect",)),
    "ImagesRejected": Metric("Messages that the function moved to the dead-letter queue.", ("detect", "notify")),
    "ImagesRetried": Metric("Messages returned to their queue for a retry.", ("detect", "notify")),
    "ImagesDeferred": Metric(
        "Images deferred because the model is not running, or `MaxImagesPerDay` is reached.", ("detect",)
    ),
    "PredictionsStored": Metric("Predictions whose rows were stored.", ("notify",)),
    "Alerts": Metric("Alerts published to the topic.", ("notify",)),
    "PredictionsAlerted": Metric("Predictions in the published alerts.", ("notify",)),
    "PicturesWithoutLink": Metric(
        "Pictures in alerts without a link, because the API was not found or the link was not stored.", ("notify",)
    ),
    "LinksRejected": Metric("Requests for picture pages with an unknown, expired or revoked link.", ("show_picture",)),
    "UploadsPresigned": Metric("Presigned uploads created.", ("presign_upload",)),
    "TokensRejected": Metric(
        "Requests with an invalid or revoked token. Requests that API Gateway answers itself are not counted.",
        ("authorize",),
    ),
    "SubscriptionsInactive": Metric(
        "Every hour: unconfirmed subscriptions, plus topics without a subscription of `EmailNotification`.",
        ("check_subscriptions",),
    ),
    "ModelRunning": Metric("Every minute: 1 if the model's status is `RUNNING`, else 0.", ("manage_model",)),
    "ImagesWaiting": Metric(
        "Every minute: messages in the images queue (visible, in flight or deferred).", ("manage_model",)
    ),
    "ModelCheckErrors": Metric(
        "Failed checks or changes of the model and of the polling of the images queue.", ("manage_model",)
    ),
    "ImagesToday": Metric(
        "Every minute, with `MaxImagesPerDay`: images of this day (UTC) that were sent to the model.",
        ("manage_model",),
    ),
    "ModelHoursThisMonth": Metric(
        "Every minute: whole hours of this month (UTC) that models started by Labelwatch have run.",
        ("manage_model",),
    ),
}


class Telemetry(Protocol):
    """How a step reports its work; the names of metrics are those of METRICS."""

    def count(self, name: str, value: int = 1) -> None:
        """Adds to a counter of this invocation."""

    def time(self, name: str, milliseconds: float) -> None:
        """Adds one measured duration."""

    def info(self, event: str, **fields: object) -> None:
        """Logs an event."""

    def warn(self, event: str, **fields: object) -> None:
        """Logs a failure."""


class PowertoolsTelemetry:
    """Telemetry of one function of one stack; `flush` at the end of each invocation."""

    def __init__(self, function: str, stack: str) -> None:
        # Not the name of the Chalice app: Chalice gives a logger of that name a handler of its own, and lines double.
        # No location: it would always be a line of this file.
        self._logger = Logger(service=f"labelwatch-{function}", location=None)
        self._metrics = EphemeralMetrics(namespace="Labelwatch", service=function)
        # Ephemeral: the usual class has one state for the whole process. By stack: two stacks of an account
        # would otherwise be counted as one.
        self._metrics.set_default_dimensions(stack=stack)
        self._lock = Lock()  # images of a batch are detected in parallel, and Metrics is not thread-safe

    def count(self, name: str, value: int = 1) -> None:
        """Adds to a counter of this invocation."""
        with self._lock:
            self._metrics.add_metric(name, MetricUnit.Count, value)

    def time(self, name: str, milliseconds: float) -> None:
        """Adds one measured duration."""
        with self._lock:
            self._metrics.add_metric(name, MetricUnit.Milliseconds, milliseconds)

    def info(self, event: str, **fields: object) -> None:
        """Logs an event."""
        self._logger.info(event, extra=fields)

    def warn(self, event: str, **fields: object) -> None:
        """Logs a failure."""
        self._logger.warning(event, extra=fields)

    def flush(self) -> None:
        """Writes the metrics of this invocation, if there are any."""
        with self._lock:
            if self._metrics.metric_set:
                self._metrics.flush_metrics()
