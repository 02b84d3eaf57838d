"""Structured logs and metrics (CloudWatch EMF). Names and figures only: nothing of an image's content."""

from threading import Lock
from typing import Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class Telemetry(Protocol):
    """What a step tells of its work; metric names are in docs/operations.md."""

    def count(self, name: str, value: int = 1) -> None:
        """Adds to a counter of this invocation."""

    def time(self, name: str, milliseconds: float) -> None:
        """Adds one measured duration."""

    def info(self, event: str, **fields: object) -> None:
        """Logs what went as it should."""

    def warn(self, event: str, **fields: object) -> None:
        """Logs what did not."""


class PowertoolsTelemetry:
    """Telemetry of one function of one stack; `flush` at the end of each invocation."""

    def __init__(self, function: str, stack: str) -> None:
        # Not the name of the Chalice app: Chalice gives a logger of that name a handler of its own, and lines double.
        # No location: it would always be one of the lines below.
        self._logger = Logger(service=f"labelwatch-{function}", location=None)
        self._metrics = EphemeralMetrics(namespace="Labelwatch", service=function)
        # Ephemeral: the usual kind is one for the whole process. By stack: two of one account would else count as one.
        self._metrics.set_default_dimensions(stack=stack)
        self._one_at_a_time = Lock()  # images of a batch are detected side by side, and Metrics is not made for that

    def count(self, name: str, value: int = 1) -> None:
        """Adds to a counter of this invocation."""
        with self._one_at_a_time:
            self._metrics.add_metric(name, MetricUnit.Count, value)

    def time(self, name: str, milliseconds: float) -> None:
        """Adds one measured duration."""
        with self._one_at_a_time:
            self._metrics.add_metric(name, MetricUnit.Milliseconds, milliseconds)

    def info(self, event: str, **fields: object) -> None:
        """Logs what went as it should."""
        self._logger.info(event, extra=fields)

    def warn(self, event: str, **fields: object) -> None:
        """Logs what did not."""
        self._logger.warning(event, extra=fields)

    def flush(self) -> None:
        """Writes the metrics of this invocation, if there are any."""
        with self._one_at_a_time:
            if self._metrics.metric_set:
                self._metrics.flush_metrics()
