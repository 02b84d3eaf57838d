"""A thread that is late goes on in the next invocation of its process: it does no harm, and nothing of it shows."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps

import pytest

from chalicelib.domain.errors import Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label
from chalicelib.steps.detect import Detect, encoded
from chalicelib.steps.notify import Notify
from tests.support.builders import NOW, message, notification, prediction, rules, s3_record
from tests.support.fakes import (
    FakeDeadLetters,
    FakeEventSource,
    FakeIdempotencyRecords,
    FakeImageCounts,
    FakeImages,
    FakeModel,
    FakePictureLinks,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    FakeTopic,
    batch_of,
    day_limit,
)

LATE = prediction(Label("leaf-smut", 97.0), key="late.jpg")


class Process:
    """Both steps in one process, whose ports and telemetry stay from one invocation to the next."""

    def __init__(self) -> None:
        self.images, self.model, self.store = FakeImages(), FakeModel(), FakeStore()
        self.topic, self.records, self.telemetry = FakeTopic(), FakeIdempotencyRecords(), FakeTelemetry()
        self.image_counts = FakeImageCounts()
        self.late_thread: threading.Thread | None = None
        self._thawed = threading.Event()
        self._is_next = False
        batch = batch_of(FakeQueue(), FakeDeadLetters(), self.telemetry)
        self.detect = Detect(
            images=self.images,
            model=self.model,
            stored_rows=self.store,
            images_queue=FakeQueue(),
            predictions_queue=FakeQueue(),
            event_source=FakeEventSource(),
            model_use=None,
            day_limit=day_limit(self.image_counts, most=100, now=self.now),
            rules=rules(("*", 60)),
            own_buckets=frozenset(),
            batch=batch,
            telemetry=self.telemetry,
            now=self.now,
        )
        self.notify = Notify(
            row_store=self.store,
            picture_links=FakePictureLinks(),
            topic=self.topic,
            records=self.records,
            test_records=self.records,
            rules=rules(("*", 60)),
            batch=batch,
            telemetry=self.telemetry,
            zone=UTC,
            now=self.now,
        )

    def freeze(self, port: str, call: str) -> None:
        """Stops the first thread that makes this call, as Lambda does between invocations."""
        original: Callable[..., object] = getattr(getattr(self, port), call)

        @wraps(original)
        def frozen(*arguments: object, **options: object) -> object:
            if self.late_thread is None:
                self.late_thread = threading.current_thread()
                assert self._thawed.wait(30)
            return original(*arguments, **options)

        setattr(getattr(self, port), call, frozen)

    def begin_next_invocation(self) -> None:
        """From here on the late thread goes on, to its end, as soon as the invocation has begun its work."""
        self.telemetry.counts.clear()
        self.telemetry.times.clear()
        self.telemetry.log.clear()
        self._is_next = True

    def now(self) -> datetime:
        if self._is_next and self.late_thread and threading.current_thread() is not self.late_thread:
            self._thawed.set()
            self.late_thread.join(30)
            assert not self.late_thread.is_alive()
        return NOW

    def run(self, step: str, key: str, seconds_left: float = 60) -> list[str]:
        """The ids of the messages that come back."""
        bodies = {
            "detect": notification(s3_record(key)),
            "notify": encoded(prediction(Label("leaf-smut", 97.0), key=key)),
        }
        messages: list[Message] = [message(bodies[step], key)]
        response = (self.detect if step == "detect" else self.notify)(messages, seconds_left)
        return [item["itemIdentifier"] for item in response["batchItemFailures"]]

    @property
    def reported(self) -> tuple[object, ...]:
        """All that the invocation counted, measured and logged, but for durations."""
        log = [(event, {**fields, "milliseconds": None}) for event, fields in self.telemetry.log]
        return self.telemetry.counts, [name for name, _ in self.telemetry.times], log


@pytest.mark.parametrize(
    ("step", "port", "call", "returned"),
    [
        ("detect", "images", "head", ["late.jpg"]),
        ("detect", "model", "labels", ["late.jpg"]),
        ("notify", "store", "put", ["late.jpg"]),
        ("notify", "records", "acquire", ["late.jpg"]),
        ("notify", "records", "complete", []),  # its alert is out
    ],
)
def test_nothing_of_a_late_thread_is_counted_or_logged_in_the_next_invocation(
    step: str, port: str, call: str, returned: list[str]
) -> None:
    process, fresh = Process(), Process()
    process.freeze(port, call)
    assert process.run(step, "late.jpg", seconds_left=0) == returned
    process.begin_next_invocation()
    assert process.run(step, "next.jpg") == fresh.run(step, "next.jpg") == []
    assert process.late_thread is not None
    assert not process.late_thread.is_alive()
    assert process.reported == fresh.reported


def test_a_late_release_frees_no_lock_of_another_delivery() -> None:
    process = Process()
    process.freeze("records", "release")
    process.topic.fault = Retryable("InternalError", "later")
    assert process.run("notify", "late.jpg", seconds_left=0) == ["late.jpg"]
    process.records.locks[LATE.id] = ("another", NOW + timedelta(minutes=1))
    process.topic.fault = None
    process.begin_next_invocation()
    assert process.run("notify", "late.jpg") == ["late.jpg"]
    assert process.records.locks[LATE.id][0] == "another"
    assert process.topic.alerts == []
