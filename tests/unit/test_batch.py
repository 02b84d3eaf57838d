import threading

import pytest

from chalicelib.domain.errors import BatchIncomplete, Fault, ModelNotRunning, Rejected, Retryable, Unavailable
from chalicelib.queues.batch import LAST_RECEIVE, MAX_TRIES, messages_of
from tests.support.builders import message, sqs_event
from tests.support.fakes import FakeDeadLetters, FakeQueue, FakeTelemetry, batch_of

RETRY = Retryable("AccessDenied", "no")
DEFER = ModelNotRunning("ResourceNotReadyException", "stopped")
REJECT = Rejected("InvalidImageFormatException", "no image")


class Settled:
    """A batch of three, of which the one in the middle met a fault."""

    def __init__(self, fault: Fault, receives: int = 1, *, partial: bool = True) -> None:
        self.queue, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.batch = batch_of(self.queue, self.dead_letters, self.telemetry, partial_responses=partial)
        self.messages = [message(message_id=name) for name in ("good", "bad", "fine")]
        self.messages[1] = message(message_id="bad", receives=receives)
        self.fault = fault

    def __call__(self) -> list[str]:
        answer = self.batch.settle(self.messages, {"bad": self.fault}, {"bad": "s3://images/leaf.jpg"})
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_the_messages_of_an_event_are_read_with_their_receives() -> None:
    event = sqs_event(message("one", "m1", receives=3), message("two", "m2"))
    assert [(message.id, message.body, message.receives) for message in messages_of(event)] == [
        ("m1", "one", 3),
        ("m2", "two", 1),
    ]


def test_a_batch_without_faults_is_finished_with_and_without_partial_responses() -> None:
    for partial in (True, False):
        settled = Settled(RETRY, partial=partial)
        assert settled.batch.settle(settled.messages, {}, {}) == {"batchItemFailures": []}
        assert settled.queue.deleted == []


def test_with_partial_responses_only_failed_messages_are_returned_and_nothing_is_deleted() -> None:
    settled = Settled(RETRY)
    assert settled() == ["bad"]
    assert settled.queue.deleted == []
    assert settled.queue.delays == {"bad": 30}


def test_without_partial_responses_finished_messages_are_deleted_and_the_batch_raises() -> None:
    settled = Settled(RETRY, partial=False)
    with pytest.raises(BatchIncomplete, match="1 of 3 messages"):
        settled()
    assert settled.queue.deleted == ["good", "fine"]
    assert settled.queue.delays == {"bad": 30}


def test_a_rejected_message_is_moved_to_the_dead_letter_queue_and_raises_nothing() -> None:
    settled = Settled(REJECT, partial=False)
    assert settled() == []
    assert settled.dead_letters.sent == {"bad": ("InvalidImageFormatException", "s3://images/leaf.jpg")}
    assert settled.queue.delays == {}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 600), (9, 600)])
def test_a_retry_comes_back_after_a_growing_delay(receives: int, seconds: int) -> None:
    settled = Settled(RETRY, receives)
    settled()
    assert settled.queue.delays == {"bad": seconds}


def test_a_message_that_was_tried_ten_times_is_a_dead_letter_with_its_last_reason() -> None:
    settled = Settled(RETRY, MAX_TRIES)
    assert settled() == []
    assert settled.dead_letters.sent["bad"][0] == "AccessDenied"


def test_while_a_service_throttles_or_fails_a_message_is_retried_for_over_two_hours() -> None:
    seconds = 0
    for receives in range(1, LAST_RECEIVE):
        settled = Settled(Unavailable("ThrottlingException", "slow down"), receives)
        assert settled() == ["bad"]
        seconds += settled.queue.delays["bad"]
    assert seconds > 2 * 3600


def test_a_message_that_was_tried_nine_times_is_tried_once_more() -> None:
    assert Settled(RETRY, MAX_TRIES - 1)() == ["bad"]


def test_a_stopped_model_defers_a_message_for_minutes_even_after_ten_tries() -> None:
    settled = Settled(DEFER, MAX_TRIES)
    assert settled() == ["bad"]
    assert settled.queue.delays == {"bad": 300}


@pytest.mark.parametrize("fault", [RETRY, DEFER])
def test_the_handler_moves_a_message_with_its_reason_before_the_queue_s_own_redrive_does(fault: Fault) -> None:
    settled = Settled(fault, LAST_RECEIVE)
    assert settled() == []
    assert settled.dead_letters.sent["bad"][0] == fault.reason


@pytest.mark.parametrize("problem", [Retryable("AccessDenied", "no"), ZeroDivisionError()], ids=["fault", "mistake"])
def test_a_message_whose_dead_letter_could_not_be_sent_comes_back(problem: Exception) -> None:
    settled = Settled(REJECT)
    settled.dead_letters.fault = problem
    assert settled() == ["bad"]


def test_a_message_with_a_dead_letter_already_is_finished_and_not_counted_a_second_time() -> None:
    settled = Settled(REJECT)
    for _ in range(2):
        assert settled() == []
    assert settled.telemetry.counts == {"ImagesRejected": 1}


def test_dead_letters_of_a_batch_are_sent_in_parallel() -> None:
    settled = Settled(REJECT)
    together = threading.Barrier(3, timeout=30)
    settled.dead_letters.before = together.wait
    settled.batch.settle(settled.messages, {message.id: REJECT for message in settled.messages}, {})
    assert len(settled.dead_letters.sent) == 3


def test_a_delay_that_could_not_be_set_leaves_the_message_to_the_visibility_timeout() -> None:
    settled = Settled(RETRY)
    settled.queue.fault = Retryable("AccessDenied", "no")
    assert settled() == ["bad"]
    assert [event for event, _ in settled.telemetry.log] == ["message retried", "visibility timeout not changed"]


def test_finished_messages_that_could_not_be_deleted_do_not_hide_that_others_must_come_back() -> None:
    settled = Settled(RETRY, partial=False)
    settled.queue.fault = Retryable("AccessDenied", "no")
    with pytest.raises(BatchIncomplete):
        settled()
    assert settled.telemetry.log[-1][0] == "messages not deleted"


@pytest.mark.parametrize(
    ("fault", "metric"), [(RETRY, "ImagesRetried"), (DEFER, "ImagesDeferred"), (REJECT, "ImagesRejected")]
)
def test_each_disposition_is_counted(fault: Fault, metric: str) -> None:
    settled = Settled(fault)
    settled()
    assert settled.telemetry.counts == {metric: 1}


def test_the_image_of_a_dead_letter_is_unknown_where_the_batch_has_none() -> None:
    settled = Settled(REJECT)
    settled.batch.settle(settled.messages, {"bad": REJECT}, {})
    assert settled.dead_letters.sent["bad"][1] == "unknown"


def attempt_all(work: dict[str, object], seconds_left: float = 60) -> tuple[dict[str, object], dict[str, Fault]]:
    def do(item: object) -> object:
        return item() if callable(item) else item

    return Settled(RETRY).batch.attempt(do, work, threads=10, seconds_left=seconds_left)


def fails(problem: Exception) -> object:
    def fail() -> None:
        raise problem

    return fail


def test_one_failure_does_not_take_its_neighbours_with_it() -> None:
    results, faults = attempt_all({"a": 1, "b": fails(REJECT), "c": 3})
    assert results == {"a": 1, "c": 3}
    assert faults == {"b": REJECT}


def test_an_unexpected_exception_is_retried_and_named() -> None:
    _, faults = attempt_all({"a": fails(ZeroDivisionError("by zero"))})
    assert isinstance(faults["a"], Retryable)
    assert faults["a"].detail == "ZeroDivisionError: by zero"


def test_the_items_of_a_batch_are_worked_on_in_parallel() -> None:
    together = threading.Barrier(10, timeout=30)
    results, faults = attempt_all({str(number): together.wait for number in range(10)})
    assert len(results) == 10
    assert not faults


def test_an_item_that_is_not_done_in_time_is_retried_and_its_neighbours_are_kept() -> None:
    released = threading.Event()
    results, faults = attempt_all({"quick": 1, "slow": lambda: released.wait(5)}, seconds_left=0)
    released.set()
    assert results == {"quick": 1}
    assert (type(faults["slow"]), faults["slow"].reason) == (Unavailable, "OutOfTime")
