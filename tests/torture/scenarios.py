"""The scenarios: one kind of disruption at a time, and at last all of them at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple
from zlib import crc32

from labelwatch.local.model import RateLimit
from tests.torture.calls import (
    ACQUIRE_ALERT,
    ACQUIRE_DEAD_LETTER,
    COMPLETE_ALERT,
    COMPLETE_DEAD_LETTER,
    HEAD_ROWS,
    PUBLISH,
    PUT_LINK,
    RELEASE_ALERT,
    RELEASE_DEAD_LETTER,
    SEND_DEAD_LETTER,
    SEND_PARTS,
)
from tests.torture.disruptions import Kill
from tests.torture.environment import DETECT, MANAGE_MODEL, NOTIFY, Environment
from tests.torture.outcome import Outcome, outcome_of

# Shares of the calls; fewer fail where all comes at once, so that it ends in time.
FAILURE_RATE = 0.1
FAILURE_RATE_OF_ALL_AT_ONCE = 0.05
KILL_RATE = 1 / 6000
COPIES = 3
SECONDS_STOPPED = 8
# Where all comes at once: the calls a second that the model accepts, and how many of each function run at once.
MODEL_RATE_OF_ALL_AT_ONCE = 50
CONCURRENCY_OF_ALL_AT_ONCE = 14
# One event in so many is delivered once, since a second delivery makes up for a first one that is lost.
SINGLE_DELIVERY_IN = 2

# The calls for an image with a label of interest.
CALLS_OF_AN_IMAGE = [
    (DETECT, "s3 HeadObject"), (DETECT, HEAD_ROWS), (DETECT, "rekognition DetectCustomLabels"),
    (DETECT, "sqs SendMessageBatch"), (NOTIFY, "s3 PutObject"), (NOTIFY, ACQUIRE_ALERT), (NOTIFY, PUT_LINK),
    (NOTIFY, PUBLISH), (NOTIFY, COMPLETE_ALERT),
]  # fmt: skip
# `detect` pauses polling for a stopped model by these calls, and `manage_model` resumes it by those.
CALLS_THAT_PAUSE = [(DETECT, "lambda ListEventSourceMappings"), (DETECT, "lambda UpdateEventSourceMapping")]
CALLS_THAT_RESUME = [
    (MANAGE_MODEL, "rekognition DescribeProjectVersions"), (MANAGE_MODEL, "lambda ListEventSourceMappings"),
    (MANAGE_MODEL, "lambda UpdateEventSourceMapping"), (MANAGE_MODEL, "sqs GetQueueAttributes"),
    (MANAGE_MODEL, "dynamodb GetItem"),
]  # fmt: skip
CALLS_THAT_START = [
    (MANAGE_MODEL, "sqs ReceiveMessage"), (MANAGE_MODEL, "sqs ChangeMessageVisibility"),
    (MANAGE_MODEL, "dynamodb PutItem"), (MANAGE_MODEL, "rekognition StartProjectVersion"),
]  # fmt: skip
CALLS_OF_A_PARTIAL_BATCH = [
    (DETECT, "sqs ChangeMessageVisibility"), (DETECT, "sqs DeleteMessageBatch"),
    (NOTIFY, "sqs ChangeMessageVisibility"), (NOTIFY, "sqs DeleteMessageBatch"),
]  # fmt: skip

type Action = Callable[[Environment, str], None]


class Scenario(NamedTuple):
    """`action` gets the prefix of the keys to upload, and may return before all messages are processed."""

    name: str
    action: Action
    # Short where functions are killed: a killed function's idempotency record expires after its time-out.
    function_seconds: int = 30
    visibility_seconds: int = 35
    concurrency: int = 2
    wait_seconds: float = 240


def run(environment: Environment, scenario: Scenario) -> Outcome:
    """Runs the action, waits until the queues are empty, and compares the uploads with their outcomes."""
    prefix = f"{scenario.name}/"
    environment.end_disruptions()
    environment.configure(scenario.function_seconds, scenario.visibility_seconds, scenario.concurrency)
    counts, explained = environment.disruptions.counts.copy(), environment.uncertain.explained.copy()
    started = time.monotonic()
    scenario.action(environment, prefix)
    environment.wait_until_empty(scenario.wait_seconds)
    seconds = time.monotonic() - started
    environment.end_disruptions()
    return outcome_of(
        environment,
        scenario.name,
        prefix,
        seconds,
        disruptions=environment.disruptions.counts - counts,
        explained=environment.uncertain.explained - explained,
    )


def killing(kills: Sequence[Kill]) -> Action:
    """Uploads a good image for each kill, while those of the kills before are retried."""

    def action(environment: Environment, prefix: str) -> None:
        for kill in kills:
            environment.kill_at(kill, partial(environment.upload_object, f"{prefix}{kill}.jpg", 0))

    return action


class _RareCalls:
    """Causes the calls that a good image does not cause; each cause gets a name for its keys."""

    def __init__(self, environment: Environment, prefix: str) -> None:
        self._environment = environment
        self._prefix = prefix
        self.causes: dict[tuple[str, str], Callable[[str], object]] = {
            (DETECT, ACQUIRE_DEAD_LETTER): self._not_an_image,
            (DETECT, SEND_DEAD_LETTER): self._not_an_image,
            (DETECT, COMPLETE_DEAD_LETTER): self._not_an_image,
            (DETECT, RELEASE_DEAD_LETTER): self._dead_letter_refused,
            (DETECT, "sqs ChangeMessageVisibility"): self._detection_refused,
            (DETECT, SEND_PARTS): self._combined_notification,
            (NOTIFY, RELEASE_ALERT): self._publication_refused,
            (NOTIFY, "sqs ChangeMessageVisibility"): self._publication_refused,
            (NOTIFY, ACQUIRE_DEAD_LETTER): self._not_a_prediction,
            (NOTIFY, SEND_DEAD_LETTER): self._not_a_prediction,
            (NOTIFY, COMPLETE_DEAD_LETTER): self._not_a_prediction,
        }

    def _upload(self, name: str, number: int = 0) -> None:
        self._environment.upload_object(f"{self._prefix}{name}.jpg", number)

    def _not_an_image(self, name: str) -> None:
        self._upload(name, number=9)

    def _dead_letter_refused(self, name: str) -> None:
        self._environment.disruptions.refuse_next(SEND_DEAD_LETTER)
        self._not_an_image(name)

    def _not_a_prediction(self, name: str) -> None:
        self._environment.send(NOTIFY, json.dumps({"image": name}))

    def _detection_refused(self, name: str) -> None:
        self._environment.local_model.fail_next("AccessDeniedException")
        self._upload(name)

    def _publication_refused(self, name: str) -> None:
        self._environment.disruptions.refuse_next(PUBLISH)
        self._upload(name)

    def _combined_notification(self, name: str) -> None:
        self._upload(f"{name} a")
        self._upload(f"{name} b")
        self._environment.send_combined_notification(f"{self._prefix}{name}")


def killing_at_rare_calls(environment: Environment, prefix: str) -> None:
    """Kills before and after each call that a good image does not cause."""
    causes = _RareCalls(environment, prefix).causes
    for kill in _before_and_after(causes):
        environment.kill_at(kill, partial(causes[kill.function, kill.call], str(kill)))


def _before_and_after(calls: Iterable[tuple[str, str]]) -> list[Kill]:
    return [Kill(function, call, after) for function, call in calls for after in (False, True)]


def killing_at_circuit_calls(environment: Environment, prefix: str) -> None:
    """Kills at each call that pauses or resumes polling, or starts the model; the next run must make up for it."""
    for kill in _before_and_after(CALLS_THAT_PAUSE):
        environment.local_model.status = "STOPPED"
        environment.kill_at(kill, partial(environment.upload_object, f"{prefix}{kill}.jpg", 0))
        environment.local_model.status = "RUNNING"
        _recover_by_one_run(environment)
    for kill in _before_and_after(CALLS_THAT_RESUME):
        environment.stop_model()
        environment.upload_object(f"{prefix}{kill}.jpg", 0)
        environment.local_model.status = "RUNNING"
        environment.kill_at(kill, environment.run_manage_model)
        _recover_by_one_run(environment)
    with environment.auto_start():
        for kill in _before_and_after(CALLS_THAT_START):
            environment.stop_model()
            environment.upload_object(f"{prefix}{kill}.jpg", 0)
            environment.kill_at(kill, environment.run_manage_model)
            environment.run_manage_model_until(polling=True)
            environment.wait_until_empty(30)


def _recover_by_one_run(environment: Environment) -> None:
    environment.run_manage_model()
    environment.wait_until(environment.is_polling, "polling resumed after one run", 1)
    environment.wait_until_empty(30)


def killing_without_partial_batch_responses(kills: Sequence[Kill]) -> Action:
    """Functions that delete finished messages and raise are killed at the calls of a batch of which a part fails."""

    def action(environment: Environment, prefix: str) -> None:
        def partial_detection(name: str) -> None:
            """In one batch: an image that the model refuses, a file that is no image, and a good image."""
            environment.local_model.fail_next("AccessDeniedException")
            with environment.one_batch(DETECT, 3):
                for number in (8, 9, 10):
                    environment.upload_object(f"{prefix}{name} {number}.jpg", number)

        def partial_storage(name: str) -> None:
            environment.disruptions.refuse_next("s3 PutObject")
            with environment.one_batch(NOTIFY, 2):
                for number in (0, 2):
                    environment.upload_object(f"{prefix}{name} {number}.jpg", number)

        with environment.without_partial_batch_responses():
            for kill in kills:
                cause = partial_detection if kill.function == DETECT else partial_storage
                environment.kill_at(kill, partial(cause, str(kill)))
                environment.wait_until_empty(60)  # else the next refusal would meet a retried image

    return action


def failing_without_partial_batch_responses(count: int) -> Action:
    """Calls of the same functions fail at random, and most event notifications are delivered twice."""

    def action(environment: Environment, prefix: str) -> None:
        with environment.without_partial_batch_responses():
            environment.disruptions.failure_rate = FAILURE_RATE
            with environment.repeated_events(deliveries):
                environment.upload(prefix, count)

    return action


def repeating(count: int) -> Action:
    """Every event notification three times, shuffled and at once."""

    def action(environment: Environment, prefix: str) -> None:
        with environment.repeated_events(lambda _: COPIES):
            environment.upload(prefix, count)

    return action


def throttling(count: int, per_second: float) -> Action:
    """A burst on a model that accepts so many calls a second."""

    def action(environment: Environment, prefix: str) -> None:
        environment.local_model.rate = RateLimit(per_second)
        environment.upload(prefix, count)

    return action


def stopping(count: int, seconds: float = SECONDS_STOPPED) -> Action:
    """The model is stopped during the upload, and started again."""

    def action(environment: Environment, prefix: str) -> None:
        environment.upload(prefix, count // 2)
        environment.local_model.status = "STOPPED"
        environment.upload(prefix + "later ", count - count // 2)
        environment.wait_until(lambda: not environment.is_polling(), "polling paused by `detect`", 60)
        time.sleep(seconds)
        environment.start_model()

    return action


def failing(count: int) -> Action:
    """Calls of each function to every service fail at random, half of them after the service has done the work."""

    def action(environment: Environment, prefix: str) -> None:
        environment.disruptions.failure_rate = FAILURE_RATE
        environment.upload(prefix, count)

    return action


def all_at_once(count: int) -> Action:
    """Most events twice, calls that fail, functions that are killed, a throttled model that stops in the middle."""

    def action(environment: Environment, prefix: str) -> None:
        environment.disruptions.failure_rate = FAILURE_RATE_OF_ALL_AT_ONCE
        environment.disruptions.kill_rate = KILL_RATE
        environment.local_model.rate = RateLimit(MODEL_RATE_OF_ALL_AT_ONCE)
        with environment.repeated_events(deliveries):
            stopping(count)(environment, prefix)

    return action


def deliveries(body: str) -> int:
    """How often this event notification is delivered: once or twice."""
    return 2 if crc32(body.encode()) % SINGLE_DELIVERY_IN else 1


def all_scenarios(images: int) -> list[Scenario]:
    """All scenarios; the last uploads so many images."""
    return [
        Scenario("killed at each call of a good image", killing(_before_and_after(CALLS_OF_AN_IMAGE)), 10, 6),
        Scenario("killed at each other call", killing_at_rare_calls, 10, 6),
        Scenario("killed at each call of the circuit", killing_at_circuit_calls, 10, 6),
        Scenario(
            "deleting and raising, killed at each call",
            killing_without_partial_batch_responses(_before_and_after(CALLS_OF_A_PARTIAL_BATCH)),
            6,
            4,
        ),
        Scenario("deleting and raising, 10 % of all calls fail", failing_without_partial_batch_responses(100)),
        Scenario("everything three times, shuffled, at once", repeating(150)),
        Scenario("300 on a model of 5 calls a second", throttling(300, 5)),
        Scenario("the model stops and comes back", stopping(150)),
        Scenario("10 % of all calls fail", failing(150)),
        Scenario("all at once", all_at_once(images), concurrency=CONCURRENCY_OF_ALL_AT_ONCE, wait_seconds=900),
    ]
