"""One dead letter for a message, however often it comes, and one more each time that it comes back from the dead."""

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
from chalicelib.queues.dead_letters import CLAIM, OneDeadLetter
from chalicelib.steps.detect import encoded
from tests.support.builders import NOW, message, notification, prediction, s3_record
from tests.support.fakes import FakeIdempotencyRecords, FakeTelemetry

NO_IMAGE = Rejected("InvalidImageFormatException", "no image")
DENIED = Retryable("AccessDenied", "no")
IMAGE = notification(s3_record())


class FakeLetters:
    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.fault: Fault | None = None

    def put(self, message: Message, fault: Fault, image: str) -> None:
        assert (fault, image) == (NO_IMAGE, "s3://images/leaf.jpg")
        if self.fault:
            raise self.fault
        self.bodies.append(message.body)


class Aside:
    def __init__(self) -> None:
        self.letters, self.claims, self.telemetry = FakeLetters(), FakeIdempotencyRecords(), FakeTelemetry()
        self.clock = NOW
        self.once = OneDeadLetter(
            queue="dead", letters=self.letters, claims=self.claims, telemetry=self.telemetry, now=lambda: self.clock
        )

    def __call__(self, body: str = IMAGE, message_id: str = "m1", sent: datetime = NOW) -> bool:
        return self.once.put(message(body, message_id, sent=sent), NO_IMAGE, "s3://images/leaf.jpg")

    @property
    def said(self) -> list[str]:
        return [event for event, _ in self.telemetry.log]


@pytest.fixture
def aside() -> Aside:
    return Aside()


def test_an_event_notification_that_comes_again_is_set_aside_once(aside: Aside) -> None:
    assert [aside(message_id=name) for name in ("m1", "m1", "m2")] == [True, False, False]
    assert len(aside.letters.bodies) == 1


def test_another_event_of_the_same_image_is_another_dead_letter(aside: Aside) -> None:
    assert aside()
    assert aside(notification(s3_record(eventTime="2026-11-22T10:00:01.000Z")))


def test_an_image_that_was_looked_at_twice_is_set_aside_once(aside: Aside) -> None:
    first, second = (encoded(prediction(detected_at=NOW + timedelta(seconds=late))) for late in (0, 30))
    assert [aside(first, "m1"), aside(second, "m2")] == [True, False]
    assert json.loads(aside.letters.bodies[0]) == {"dead_letter_count": 1, **json.loads(first)}
    assert aside(aside.letters.bodies[0], "moved")


def test_what_comes_back_from_the_dead_is_set_aside_again_each_time_it_fails(aside: Aside) -> None:
    aside()
    for times in range(1, 12):
        assert json.loads(aside.letters.bodies[-1])["dead_letter_count"] == times
        assert aside(aside.letters.bodies[-1], "moved")
    assert not aside(aside.letters.bodies[-2], "moved twice")


def test_a_dead_letter_is_read_as_the_event_that_it_was(aside: Aside) -> None:
    aside(notification(s3_record("a/b +.jpg")))
    (record,) = events.records(aside.letters.bodies[0])
    assert events.object_created(record) == ObjectCreated("images", "a/b +.jpg", "v1")


AGAIN: list[Callable[[str], str]] = [
    lambda body: body,
    lambda body: json.dumps(json.loads(body)),
    lambda body: json.dumps(json.loads(body), indent=1),
    lambda body: json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")),
]


@pytest.mark.parametrize("laid_out", AGAIN)
def test_however_a_script_lays_it_out_it_is_set_aside_again_each_time_it_fails(
    aside: Aside, laid_out: Callable[[str], str]
) -> None:
    aside()
    for times in range(1, 5):
        assert aside(laid_out(aside.letters.bodies[-1]), "put back"), times


def test_the_same_words_sent_long_after_their_dead_letter_are_no_repeat(aside: Aside) -> None:
    aside()
    aside.clock = NOW + timedelta(days=1)
    late, later = NOW + timedelta(minutes=59), NOW + timedelta(minutes=61)
    assert [aside(message_id=name, sent=sent) for name, sent in (("m2", late), ("m3", later), ("m3", later))] == [
        False, True, False,
    ]  # fmt: skip


def test_what_a_body_says_twice_is_kept(aside: Aside) -> None:
    aside(' {"Records": [1], "Records": []}')
    assert aside.letters.bodies == ['{"dead_letter_count":1,"Records": [1], "Records": []}']


def test_two_queues_do_not_meet(aside: Aside) -> None:
    other = msgspec.structs.replace(aside.once, queue="another")
    assert aside()
    assert other.put(message(IMAGE), NO_IMAGE, "s3://images/leaf.jpg")


@pytest.mark.parametrize(
    "body", ["", "no json", "[1]", '"{"', "{}", "{ }", "null", '{"a":1', '{"dead_letter_count":1.5}']
)
def test_a_body_without_members_is_kept_as_it_is_and_known_by_its_message(aside: Aside, body: str) -> None:
    assert [aside(body, name) for name in ("m1", "m1", "m2")] == [True, False, True]
    assert aside.letters.bodies == [body, body]


@given(body=st.text())
@example('{"dead_letter_count":3,"Records":[]}')
@example('\n {"dead_letter_count":03,"a":1')
@example('{"dead_letter_count":1.5,"a":1}')
@example('{"dead_letter_count":' + "9" * 5000 + ',"a":1}')
def test_whatever_the_body_it_is_set_aside_anew_each_time_it_comes_back(body: str) -> None:
    aside = Aside()
    assert all(aside(aside.letters.bodies[-1] if times else body, f"m{times}") for times in range(3))


members = st.dictionaries(st.text(), st.integers() | st.text(), min_size=1).filter(
    lambda one: "dead_letter_count" not in one
)


@given(members=members, indent=st.none() | st.integers(0, 3))
def test_a_dead_letter_says_what_the_message_said_and_how_often_it_was_one(
    members: dict[str, object], indent: int | None
) -> None:
    aside = Aside()
    aside(json.dumps(members, indent=indent))
    assert json.loads(aside.letters.bodies[0]) == {"dead_letter_count": 1} | members


def test_of_two_deliveries_at_the_same_moment_one_comes_back_and_is_then_finished(aside: Aside) -> None:
    aside.claims.claim(_only(aside, IMAGE), "another", NOW, NOW + CLAIM)
    with pytest.raises(Retryable, match="BeingSetAside"):
        aside()
    aside.claims.told(_only(aside, IMAGE), NOW)
    assert not aside(message_id="m2")
    assert aside.letters.bodies == []


def test_a_claim_of_a_function_that_died_ends(aside: Aside) -> None:
    aside.claims.claim(_only(aside, IMAGE), "the dead", NOW, NOW + CLAIM)
    aside.clock = NOW + CLAIM + timedelta(seconds=1)
    assert aside()


def test_one_that_could_not_be_written_may_be_written_by_the_next_delivery(aside: Aside) -> None:
    aside.letters.fault = DENIED
    with pytest.raises(Retryable, match="AccessDenied"):
        aside()
    aside.letters.fault = None
    assert aside()


def test_without_an_answer_of_the_table_it_is_written_all_the_same(aside: Aside) -> None:
    aside.claims.fault = DENIED
    assert aside()
    assert len(aside.letters.bodies) == 1
    assert aside.said == ["idempotency record not acquired"]


def test_one_that_could_not_be_noted_is_written_again_once_its_claim_has_ended(aside: Aside) -> None:
    aside.claims.unnotable = DENIED
    assert aside()
    assert aside.said == ["idempotency record not completed"]
    aside.clock = NOW + CLAIM + timedelta(seconds=1)
    assert aside()


def test_a_claim_that_was_never_had_is_not_given_up(aside: Aside) -> None:
    aside.claims.claim(_only(aside, IMAGE), "another", NOW, NOW + CLAIM)
    aside.letters.fault = aside.claims.fault = DENIED
    with pytest.raises(Retryable, match="AccessDenied"):
        aside()
    assert len(aside.claims.claimed) == 1


def test_a_claim_that_could_not_be_given_up_does_not_hide_why(aside: Aside) -> None:
    aside.letters.fault, aside.claims.unnotable = Retryable("ServiceUnavailable", "later"), DENIED
    with pytest.raises(Retryable, match="ServiceUnavailable"):
        aside()


def _only(aside: Aside, body: str) -> str:
    """The id by which a body is claimed."""
    probe = Aside()
    probe(body)
    (what,) = probe.claims.claimed
    assert what not in aside.claims.remembered
    return what
