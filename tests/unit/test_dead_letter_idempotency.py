"""One dead letter for a message, however often it is delivered, and one more each time it fails after a redrive."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain import events
from chalicelib.domain.errors import Fault, Rejected, Retryable
from chalicelib.domain.images import ObjectCreated
from chalicelib.domain.messages import Message
from chalicelib.queues.dead_letters import LOCK, IdempotentDeadLetters
from chalicelib.steps.detect import encoded
from tests.support.builders import NOW, message, notification, prediction, s3_record
from tests.support.fakes import FakeIdempotencyRecords, FakeTelemetry

NO_IMAGE = Rejected("InvalidImageFormatException", "no image")
DENIED = Retryable("AccessDenied", "no")
IMAGE = notification(s3_record())


class FakeDeadLetterQueue:
    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.fault: Fault | None = None

    def send(self, message: Message, fault: Fault, image: str) -> None:
        assert (fault, image) == (NO_IMAGE, "s3://images/leaf.jpg")
        if self.fault:
            raise self.fault
        self.bodies.append(message.body)


class Bench:
    """The dead letters of one queue, with a fake in each port; call it with a message that is rejected."""

    def __init__(self) -> None:
        self.queue, self.records, self.telemetry = FakeDeadLetterQueue(), FakeIdempotencyRecords(), FakeTelemetry()
        self.clock = NOW
        self.dead_letters = IdempotentDeadLetters(
            queue_url="dead", queue=self.queue, records=self.records, telemetry=self.telemetry, now=lambda: self.clock
        )

    def __call__(self, body: str = IMAGE, message_id: str = "m1", sent: datetime = NOW) -> bool:
        """Whether a dead letter was sent."""
        return self.dead_letters.send(message(body, message_id, sent=sent), NO_IMAGE, "s3://images/leaf.jpg")

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.telemetry.log]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_repeated_event_notification_has_one_dead_letter(bench: Bench) -> None:
    assert [bench(message_id=name) for name in ("m1", "m1", "m2")] == [True, False, False]
    assert len(bench.queue.bodies) == 1


def test_another_event_of_the_same_image_is_another_dead_letter(bench: Bench) -> None:
    assert bench()
    assert bench(notification(s3_record(eventTime="2026-11-22T10:00:01.000Z")))


def test_an_image_that_was_analysed_a_second_time_has_one_dead_letter(bench: Bench) -> None:
    first, second = (encoded(prediction(detected_at=NOW + timedelta(seconds=late))) for late in (0, 30))
    assert [bench(first, "m1"), bench(second, "m2")] == [True, False]
    assert json.loads(bench.queue.bodies[0]) == {"dead_letter_count": 1, **json.loads(first)}
    assert bench(bench.queue.bodies[0], "moved")


def test_a_dead_letter_that_is_put_back_is_a_new_one_each_time_it_fails(bench: Bench) -> None:
    bench()
    for times in range(1, 12):
        assert json.loads(bench.queue.bodies[-1])["dead_letter_count"] == times
        assert bench(bench.queue.bodies[-1], "moved")
    assert not bench(bench.queue.bodies[-2], "moved a second time")


def test_a_dead_letter_is_read_as_the_event_that_it_was(bench: Bench) -> None:
    bench(notification(s3_record("a/b +.jpg")))
    (record,) = events.records(bench.queue.bodies[0])
    assert events.object_created(record) == ObjectCreated("images", "a/b +.jpg", "v1")


LAYOUTS: list[Callable[[str], str]] = [
    lambda body: body,
    lambda body: json.dumps(json.loads(body)),
    lambda body: json.dumps(json.loads(body), indent=1),
    lambda body: json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")),
]


@pytest.mark.parametrize("laid_out", LAYOUTS)
def test_a_dead_letter_in_any_layout_of_json_is_a_new_one_each_time_it_fails(
    bench: Bench, laid_out: Callable[[str], str]
) -> None:
    bench()
    for times in range(1, 5):
        assert bench(laid_out(bench.queue.bodies[-1]), "put back"), times


def test_the_same_body_sent_long_after_its_dead_letter_is_no_repeat(bench: Bench) -> None:
    bench()
    bench.clock = NOW + timedelta(days=1)
    late, later = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    assert [bench(message_id=name, sent=sent) for name, sent in (("m2", late), ("m3", later), ("m3", later))] == [
        False, True, False,
    ]  # fmt: skip


def test_duplicate_members_of_a_body_are_kept(bench: Bench) -> None:
    bench(' {"Records": [1], "Records": []}')
    assert bench.queue.bodies == ['{"dead_letter_count":1,"Records": [1], "Records": []}']


def test_each_queue_has_records_of_its_own(bench: Bench) -> None:
    other = msgspec.structs.replace(bench.dead_letters, queue_url="another")
    assert bench()
    assert other.send(message(IMAGE), NO_IMAGE, "s3://images/leaf.jpg")


@pytest.mark.parametrize(
    "body", ["", "no json", "[1]", '"{"', "{}", "{ }", "null", '{"a":1', '{"dead_letter_count":1.5}']
)
def test_a_body_without_members_is_unchanged_and_identified_by_its_message_id(bench: Bench, body: str) -> None:
    assert [bench(body, name) for name in ("m1", "m1", "m2")] == [True, False, True]
    assert bench.queue.bodies == [body, body]


@given(body=st.text())
@example('{"dead_letter_count":3,"Records":[]}')
@example('\n {"dead_letter_count":03,"a":1')
@example('{"dead_letter_count":1.5,"a":1}')
@example('{"dead_letter_count":' + "9" * 5000 + ',"a":1}')
def test_any_body_is_a_new_dead_letter_each_time_it_fails(body: str) -> None:
    bench = Bench()
    assert all(bench(bench.queue.bodies[-1] if times else body, f"m{times}") for times in range(3))


members = st.dictionaries(st.text(), st.integers() | st.text(), min_size=1).filter(
    lambda body: "dead_letter_count" not in body
)


@given(members=members, indent=st.none() | st.integers(0, 3))
def test_a_dead_letter_has_the_members_of_its_message_and_its_count(
    members: dict[str, object], indent: int | None
) -> None:
    bench = Bench()
    bench(json.dumps(members, indent=indent))
    assert json.loads(bench.queue.bodies[0]) == {"dead_letter_count": 1} | members


def test_a_delivery_while_another_is_in_progress_comes_back_and_is_then_finished(bench: Bench) -> None:
    bench.records.acquire(_record_id(bench, IMAGE), "another", NOW, NOW + LOCK)
    with pytest.raises(Retryable, match="InProgress"):
        bench()
    bench.records.complete(_record_id(bench, IMAGE), NOW)
    assert not bench(message_id="m2")
    assert bench.queue.bodies == []


def test_the_lock_of_a_function_that_died_ends(bench: Bench) -> None:
    bench.records.acquire(_record_id(bench, IMAGE), "a dead owner", NOW, NOW + LOCK)
    bench.clock = NOW + LOCK + timedelta(seconds=1)
    assert bench()


def test_a_dead_letter_that_could_not_be_sent_may_be_sent_by_the_next_delivery(bench: Bench) -> None:
    bench.queue.fault = DENIED
    with pytest.raises(Retryable, match="AccessDenied"):
        bench()
    bench.queue.fault = None
    assert bench()


def test_without_an_answer_of_the_table_a_dead_letter_is_sent_all_the_same(bench: Bench) -> None:
    bench.records.fault = DENIED
    assert bench()
    assert len(bench.queue.bodies) == 1
    ((event, fields),) = bench.telemetry.log
    assert event == "idempotency records not acquired"
    assert (fields["images"], fields["reasons"]) == (["s3://images/leaf.jpg"], ["AccessDenied"])


def test_a_dead_letter_whose_record_is_not_completed_is_sent_once_more_after_the_end_of_the_lock(bench: Bench) -> None:
    bench.records.write_fault = DENIED
    assert bench()
    assert bench.events == ["idempotency records not completed"]
    bench.clock = NOW + LOCK + timedelta(seconds=1)
    assert bench()


def test_a_record_that_was_not_acquired_is_not_released(bench: Bench) -> None:
    bench.records.acquire(_record_id(bench, IMAGE), "another", NOW, NOW + LOCK)
    bench.queue.fault = bench.records.fault = DENIED
    with pytest.raises(Retryable, match="AccessDenied"):
        bench()
    assert [owner for owner, _ in bench.records.locks.values()] == ["another"]


def test_a_record_that_could_not_be_released_does_not_hide_the_fault(bench: Bench) -> None:
    bench.queue.fault, bench.records.write_fault = Retryable("ServiceUnavailable", "later"), DENIED
    with pytest.raises(Retryable, match="ServiceUnavailable"):
        bench()
    assert bench.events == ["idempotency records not released"]


def _record_id(bench: Bench, body: str) -> str:
    """The id of the record of a body."""
    probe = Bench()
    probe(body)
    (record_id,) = probe.records.locks
    assert record_id not in bench.records.completed
    return record_id
